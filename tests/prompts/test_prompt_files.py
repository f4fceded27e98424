"""The prompts that ship, and what the loader refuses."""

import json
from pathlib import Path

import pytest

from service.domain import ArtifactKind, Cause, Verdict
from service.prompt.load import default_folder, load_prompts, read_prompt
from service.prompt.lock import find_differences, read_lock, write_lock
from service.prompt.model import Prompt, PromptError

SNAPSHOTS = Path(__file__).parent / "snapshots"
PROMPTS = load_prompts(default_folder())

HEAD = """---
name: test
version: 1
purpose: A test.
model: default
effort: low
max_tokens: 1000
inputs: [event, audience]
untrusted: [event]
output: Draft
sample: {event: {text: boom}, audience: engineers}
---
"""
BODY = """{% block system %}
For {{ audience }}.
{% endblock %}
{% block user %}
<event>
{{ event | untrusted }}
</event>
{% endblock %}
"""


def read(text: str, **partials: str) -> Prompt:
    return read_prompt("test.md", text, {f"{name}.md": body for name, body in partials.items()})


def problem_of(text: str, **partials: str) -> str:
    with pytest.raises(PromptError) as caught:
        read(text, **partials)
    return str(caught.value)


@pytest.mark.parametrize("name", PROMPTS)
def test_the_rendered_sample_is_the_one_reviewed(name: str) -> None:
    rendered = PROMPTS[name].render_sample()
    shown = f"# system\n\n{rendered.system}\n\n# user\n\n{rendered.user}\n"
    hint = f"review the change, then: whydenied prompts render {name} > tests/prompts/snapshots/{name}.md"
    assert shown == (SNAPSHOTS / f"{name}.md").read_text(), hint


def test_no_prompt_changed_under_its_version() -> None:
    assert list(find_differences(PROMPTS, read_lock(default_folder()))) == []


def test_root_cause_names_every_word_of_the_contract() -> None:
    system = PROMPTS["root_cause"].render_sample().system
    for word in [*Verdict, *Cause, *ArtifactKind]:
        assert word.value in system


LESSONS = (
    *("credits", "spending", "country", "web application firewall", "Expired", "clock", "hiding it", "wildcard", "777"),
    *("superuser", "guardrail", "unknown", "[redacted:kind:hash]", "byte for byte", "null", "anonymous"),
)


@pytest.mark.parametrize("lesson", LESSONS)
def test_root_cause_teaches_the_hard_cases(lesson: str) -> None:
    assert lesson in PROMPTS["root_cause"].render_sample().system


def test_the_system_part_is_the_same_for_every_event_and_both_prompts() -> None:
    root_cause, second = PROMPTS["root_cause"], PROMPTS["second_opinion"]
    other = root_cause.render(event={"text": "x"}, approved=[], reading={"verdict": "other"})
    assert other.system == root_cause.render_sample().system == second.render_sample().system


def test_both_prompts_ask_the_model_for_the_same_effort_and_form() -> None:
    first, second = PROMPTS["root_cause"].head, PROMPTS["second_opinion"].head
    assert (first.effort, first.max_tokens, first.output) == (second.effort, second.max_tokens, second.output)


def test_a_prompt_says_what_it_lacks_or_does_not_know() -> None:
    with pytest.raises(PromptError, match="takes audience, event, got audience"):
        read(HEAD + BODY).render(audience="x")
    with pytest.raises(PromptError, match="got audience, event, extra"):
        read(HEAD + BODY).render(audience="x", event={}, extra=1)


def test_a_value_that_is_no_plain_data_is_refused() -> None:
    with pytest.raises(PromptError, match="not JSON serializable"):
        read(HEAD + BODY).render(audience="x", event={"at": object()})
    with pytest.raises(PromptError, match=r"has no attribute 'name'"):
        read(
            HEAD.replace("audience: engineers", "audience: {name: us}")
            + BODY.replace("audience }}", "audience.name }}")
        ).render(audience="us", event={})


REFUSED = {
    "no front matter": (BODY, "test.md:1: must begin with front matter"),
    "unknown field": (HEAD.replace("purpose:", "porpoise:") + BODY, "porpoise: Extra inputs"),
    "version as text": (HEAD.replace("version: 1", "version: '1'") + BODY, "version: Input should be a valid integer"),
    "a field twice": (HEAD.replace("model:", "name: test\nmodel:") + BODY, "test.md:5: found duplicate key"),
    "other name": (HEAD.replace("name: test", "name: best") + BODY, "must equal the file's stem"),
    "undeclared input": (HEAD + BODY.replace("For ", "For {{ tone }} "), "the text uses audience, event, tone"),
    "unused input": (HEAD + BODY.replace("{{ audience }}", "you"), "declares audience, event, the text uses event"),
    "sample lacks input": (HEAD.replace(", audience: engineers", "") + BODY, "sample has event"),
    "untrusted is no input": (HEAD.replace("untrusted: [event]", "untrusted: [event, log]") + BODY, "log, which is no"),
    "syntax": (HEAD + BODY.replace("{{ audience }}", "{{ audience"), "test.md:"),
    "block missing": (HEAD + BODY.replace("block system", "block sistem"), "exactly the blocks `system` and `user`"),
    "text outside": (HEAD + "Hello.\n" + BODY, "test.md:13: text outside the blocks"),
    "unknown partial": (HEAD + BODY.replace("For", '{% include "_gone.md" %}'), "includes '_gone.md', which is not"),
    "computed partial": (HEAD + BODY.replace("For", "{% include audience %}"), "includes None, which is not"),
    "unquoted event": (HEAD + BODY.replace(" | untrusted", ""), "test.md:18: outside text stands as a line"),
    "event field": (HEAD + BODY.replace("event |", "event.text |"), "outside text stands as a line"),
    "quoted then changed": (HEAD + BODY.replace("untrusted }}", "untrusted | upper }}"), "outside text stands"),
    "no tags": (HEAD + BODY.replace("<event>\n", ""), "between the lines <event> and </event>"),
    "other tags": (HEAD + BODY.replace("event>", "data>"), "between the lines <event> and </event>"),
    "event twice": (HEAD + BODY.replace("</event>", "</event>\nAgain: {{ event }}"), "outside text stands"),
    "event in a loop": (HEAD + BODY.replace("For", "{% for x in event %}{{ x }}{% endfor %}"), "block `user` only"),
    "event assigned": (HEAD + BODY.replace("<event>", "{% set e = event %}{{ e }}\n<event>"), "outside text stands"),
    "event in system": (HEAD + BODY.replace("For", "{{ event | untrusted }} for"), "in the block `user` only"),
    "sandbox": (HEAD + BODY.replace("{{ audience }}", "{{ audience.__class__.__mro__ }}"), "test: "),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_a_prompt_file_that_breaks_a_rule_is_refused(text: str, words: str) -> None:
    assert words in problem_of(text)


def test_a_partial_may_not_hold_outside_text() -> None:
    text = HEAD + BODY.replace("For", '{% include "_part.md" %}\nFor')
    assert "_part.md:1: `event` is outside text" in problem_of(text, _part="{{ event | untrusted }}")


def test_a_folder_without_prompts_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="WHYDENIED_PROMPTS_DIR"):
        load_prompts(tmp_path)


def test_the_hash_covers_partials_and_ignores_line_ends(tmp_path: Path) -> None:
    text = HEAD + BODY.replace("For", '{% include "_part.md" %}\nFor')
    one, two = read(text, _part="a"), read(text, _part="b")
    assert one.sha256 != two.sha256
    (tmp_path / "test.md").write_bytes((HEAD + BODY).replace("\n", "\r\n").encode())
    assert load_prompts(tmp_path)["test"].sha256 == read(HEAD + BODY).sha256


def test_a_changed_text_needs_a_new_version_before_it_can_be_locked(tmp_path: Path) -> None:
    (tmp_path / "test.md").write_text(HEAD + BODY)
    assert "is not locked" in next(find_differences(load_prompts(tmp_path), read_lock(tmp_path)))
    write_lock(tmp_path, load_prompts(tmp_path))
    assert list(find_differences(load_prompts(tmp_path), read_lock(tmp_path))) == []
    changed = HEAD + BODY.replace("For", "To")
    (tmp_path / "test.md").write_text(changed)
    with pytest.raises(PromptError, match=r"still version 1: set `version: 2` in test.md, then run `whydenied"):
        write_lock(tmp_path, load_prompts(tmp_path))
    (tmp_path / "test.md").write_text(changed.replace("version: 1", "version: 2"))
    write_lock(tmp_path, load_prompts(tmp_path))
    assert json.loads((tmp_path / "lock.json").read_text())["test"]["version"] == 2
    (tmp_path / "test.md").write_text(changed)
    assert "versions only grow" in next(find_differences(load_prompts(tmp_path), read_lock(tmp_path)))
    (tmp_path / "test.md").rename(tmp_path / "best.md")
    (tmp_path / "best.md").write_text(changed.replace("name: test", "name: best"))
    assert any("there is no test.md" in p for p in find_differences(load_prompts(tmp_path), read_lock(tmp_path)))
