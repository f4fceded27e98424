"""Ninety events that talk to the model, through the running service, to a model that does what they say.

Nothing unsafe is stored as an artifact, shown as a link, or called confirmed: not in the database, on the page, in the
Markdown, nor on a terminal.
"""

import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from hostile_events import HOSTILE, LINE, MARKS
from markdown_it import MarkdownIt
from messages_api import KEY, Reply, answer, serve_messages_api
from service_site import Site, running_site
from worker_setting import eventually

from service.cli.answer_text import print_answer
from service.domain import Answer, ArtifactKind
from service.llm.prose import find_traps
from service.rules.grants import find_overbroad
from service.store.analyses import list_analyses
from service.store.failures import FailureFilter, list_failures
from service.store.tables import Analysis, Failure

CASE = re.compile(r"in case (q[a-z]{3})")
BY_CASE = {found[1]: one for one in HOSTILE if (found := CASE.search(one.text))}


def obey(request: dict[str, Any]) -> Reply:
    """What a model answers that does all that the event says, also when it is asked again."""
    found = CASE.search(request["messages"][0]["content"])
    assert found
    return answer(**BY_CASE[found[1]].draft)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve_messages_api() as api:
        api.obey = obey
        settings = {"worker": True, "llm_api_key": KEY, "llm_base_url": api.url, "llm_concurrency": 16}
        with running_site(tmp_path_factory.mktemp("hostile"), admin_api_key="admin-key-of-tests", **settings) as opened:
            post_all(opened)
            yield opened


def post_all(site: Site) -> None:
    events = [{"text": one.text, "id": str(n)} for n, one in enumerate(HOSTILE)]
    headers = {"authorization": "Bearer admin-key-of-tests"}
    reply = httpx.post(f"{site.url}/api/v1/events", json=events, headers=headers, timeout=30)
    assert reply.is_success, reply.text
    eventually(lambda: not [one for one in failures_of(site) if is_open(one)])


def is_open(failure: Failure) -> bool:
    return failure.analysis_state in {"queued", "running"} and "does not fit the form" not in (
        failure.analysis_note or ""
    )


def failures_of(site: Site) -> list[Failure]:
    with site.services.engine.connect() as conn:
        return list_failures(conn, FailureFilter(), None, 500).items


@pytest.fixture(scope="module")
def failures(site: Site) -> list[Failure]:
    found = failures_of(site)
    assert len(found) == len(HOSTILE) >= 60
    return found


@pytest.fixture(scope="module")
def stored(site: Site, failures: list[Failure]) -> list[Analysis]:
    with site.services.engine.connect() as conn:
        return [one for failure in failures for one in list_analyses(conn, failure.id)]


def answers(stored: list[Analysis]) -> list[Answer]:
    return [Answer.model_validate(one.answer) for one in stored]


def test_nothing_is_called_confirmed(stored: list[Analysis]) -> None:
    assert len(stored) > 80
    assert {one.confidence for one in answers(stored)} <= {"likely", "unknown"}


def test_no_artifact_is_unsafe(stored: list[Analysis]) -> None:
    for one in answers(stored):
        for artifact in one.fix.artifacts if one.fix else ():
            assert one.verdict == "permission"
            assert one.cause not in {"explicit_deny", "org_policy"}
            assert find_overbroad(ArtifactKind(artifact.kind), artifact.content) == []
            assert list(find_traps(artifact.content)) == []


def test_nobody_of_the_attacker_stands_in_any_answer(stored: list[Analysis]) -> None:
    for one in answers(stored):
        said = one.model_copy(update={"evidence": ()}).model_dump_json()
        assert [mark for mark in MARKS if mark in said] == []
        assert one.principal is None or "redacted" not in one.principal


def test_what_was_refused_is_withheld_and_says_why(stored: list[Analysis], failures: list[Failure]) -> None:
    withheld = [one for one in failures if (one.analysis_note or "").startswith("Not shown, because: ")]
    assert len(withheld) >= 70
    assert {one.verdict for one in withheld} == {"unknown"}


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.faults: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_script = tag == "script"
        for name, value in attrs:
            if name in {"href", "src", "action", "formaction", "data", "poster", "srcset"}:
                self.targets.append(value or "")
            if name.startswith("on") or name == "style" or (value or "").lower().lstrip().startswith("javascript:"):
                self.faults.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self.in_script and data.strip():
            self.faults.append(f"inline script: {data[:80]}")


def test_the_page_has_no_link_and_no_script_of_theirs(site: Site, failures: list[Failure]) -> None:
    browser = site.browser()
    for failure in failures:
        reply = browser.get(f"/failures/{failure.id}")
        page = Page()
        page.feed(reply.text)
        assert reply.status_code == 200
        assert page.faults == []
        assert [one for one in page.targets if not one.startswith(("/", "#", "?")) or one.startswith("//")] == []
        assert not [c for c in reply.text if unicodedata.category(c) in {"Cc", "Cf"} and c not in "\n\t\r"]
        assert ("Not shown, because: " in reply.text) == (failure.analysis_note or "").startswith(
            "Not shown, because: "
        )
        assert "default-src 'self'" in reply.headers["content-security-policy"]


def test_the_markdown_has_no_link_no_image_and_no_markup(site: Site, failures: list[Failure]) -> None:
    browser, parser = site.browser(), MarkdownIt("commonmark", {"linkify": False})
    for failure in failures:
        text = browser.get(f"/failures/{failure.id}.md").text
        assert ("Not shown, because: " in text) == (failure.analysis_note or "").startswith("Not shown, because: ")
        tokens = [inner for token in parser.parse(text) for inner in [token, *(token.children or [])]]
        assert not {token.type for token in tokens} & {"link_open", "image", "html_block", "html_inline"}, text
        assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cf"} and c not in "\n\t"]


def test_a_terminal_is_not_steered(stored: list[Analysis], capsys: pytest.CaptureFixture[str]) -> None:
    texts = {one.text for one in HOSTILE}
    for one, text in zip(answers(stored), [*texts] * 2, strict=False):
        print_answer(one.model_copy(update={"evidence": ()}), text)
    printed = capsys.readouterr().out
    assert LINE.split(":")[0] in printed or printed
    assert not [c for c in printed if unicodedata.category(c) in {"Cc", "Cf"} and c not in "\n\t"]
