"""`whydenied prompts render | accept | eval` and `explain --llm`, as a user runs them, against a provider's double."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from command import run_command
from messages_api import KEY, MessagesApi, Reply, answer, refuse, serve_messages_api, whydenied_draft

from connectors.base import ErrorEvent
from service.domain import Verdict
from service.llm.draft import Draft
from service.llm.evals import EvalError, load_cases
from service.prompt.load import default_folder
from service.rules.load import default_folder as rules_folder
from service.store.engine import open_engine
from service.store.occurrence import Occurrence
from service.store.writer import Writer

CASES = load_cases(default_folder() / "evals")
TEXT = "zephyr: op refused: ledger_app may not read ledger.orders, key sk-ant-" + "api03-" + "Ab3" * 31 + "-Zz9_xYAA"
DRAFT = whydenied_draft(
    verdict="permission",
    cause="missing_grant",
    system="zephyr",
    evidence=[{"quote": "ledger_app may not read ledger.orders", "field": "cause"}],
    principal="ledger_app",
    resource="ledger.orders",
    title="ledger_app may not read ledger.orders",
)
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with serve_messages_api() as api:
        yield api


@pytest.fixture
def run(tmp_path: Path, api: MessagesApi) -> Run:
    """Run a command with a data folder of its own and the double as the configured model."""
    (tmp_path / "rules").mkdir()
    shutil.copy(rules_folder() / "general.yaml", tmp_path / "rules")
    own = {
        "WHYDENIED_DATA_DIR": str(tmp_path),
        "WHYDENIED_RULES_DIR": str(tmp_path / "rules"),
        "WHYDENIED_LLM_API_KEY": KEY,
        "WHYDENIED_LLM_BASE_URL": api.url,
    }
    return partial(run_command, **own)


def sent(request: dict[str, Any]) -> str:
    text: str = request["messages"][0]["content"]
    return text


def test_the_model_is_asked_for_one_text_without_its_secrets(run: Run, api: MessagesApi) -> None:
    api.default = answer(**DRAFT)
    done = run("explain", "--llm", stdin=TEXT)
    assert done.returncode == 0, done.stderr
    assert "PERMISSION" in done.stdout
    assert "[redacted:anthropic_key:" in sent(api.requests[0])
    assert "Ab3Ab3" not in json.dumps(api.requests) + done.stdout + done.stderr


def test_what_does_not_stand_up_is_asked_again_and_then_withheld(run: Run, api: MessagesApi) -> None:
    api.default = answer(**{**DRAFT, "evidence": [{"quote": "made up", "field": "cause"}]})
    done = run("explain", "--llm", "--json", stdin=TEXT)
    assert json.loads(done.stdout)["verdict"] == "unknown"
    assert "'made up' does not stand in the event's text" in done.stderr
    first, second = api.requests
    assert first["system"] == second["system"]
    assert "<findings>" not in sent(first)
    assert "<findings>" in sent(second)
    assert "<answer>" in sent(second)


def test_a_call_that_fails_says_why(run: Run, api: MessagesApi) -> None:
    api.default = refuse(529, "overloaded_error", "Overloaded")
    done = run("explain", "--llm", stdin=TEXT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "overloaded" in done.stderr
    assert run("explain", "--llm", stdin=TEXT, WHYDENIED_LLM_API_KEY="").returncode == 2


def test_a_request_is_printed_without_being_sent(run: Run, api: MessagesApi) -> None:
    done = run("prompts", "render", "--text", "-", stdin=TEXT, WHYDENIED_LLM_API_KEY="")
    assert done.returncode == 0, done.stderr
    assert "ledger_app may not read ledger.orders" in done.stdout
    assert "Ab3Ab3" not in done.stdout
    form = json.loads(done.stdout.rpartition("\n\n")[2])
    assert form["required"] == list(Draft.model_fields)
    assert api.requests == []


def test_a_general_rule_s_reading_is_a_hint(run: Run) -> None:
    shown = run("prompts", "render", "--text", "-", stdin="User nina does not have stock.reserve permission on depot-7")
    assert '<reading>\n{"' in shown.stdout
    assert "<reading>" not in run("prompts", "render", "--text", "-", stdin=TEXT).stdout


@pytest.fixture
def failure(sqlite_url: str) -> str:
    """The id of a failure in the database of `run` that nobody answered."""
    engine = open_engine(sqlite_url)
    writer = Writer(engine)
    writer.start()
    event = ErrorEvent(id="1", text=TEXT.partition(", key")[0], type="error", time=datetime.now(UTC))
    one = Occurrence(connection="c", event=event, context={}, fingerprint="f", fingerprint_version=1)
    [stored] = writer.submit([one]).result()
    writer.stop()
    engine.dispose()
    assert stored.failure_id
    return stored.failure_id


def test_an_answer_from_elsewhere_is_checked_stored_and_shown(run: Run, failure: str, api: MessagesApi) -> None:
    shown = run("prompts", "render", "--failure", failure).stdout
    assert "ledger_app may not read ledger.orders" in shown
    pasted = f"Here it is:\n```json\n{json.dumps(DRAFT)}\n```\nAnything else?"
    done = run("prompts", "accept", "-", "--failure", failure, "--model", "some-chat", stdin=pasted)
    assert done.returncode == 0, done.stderr
    assert "Stored; it waits for review." in done.stdout
    again = run("prompts", "accept", "-", "--failure", failure, stdin=pasted)
    assert "Stored" in again.stdout
    assert api.requests == []


def test_an_answer_from_elsewhere_that_claims_too_much_is_refused(run: Run, failure: str) -> None:
    lie = json.dumps({**DRAFT, "evidence": [{"quote": "made up", "field": "cause"}]})
    done = run("prompts", "accept", "-", "--failure", failure, stdin=lie)
    assert done.returncode == 1
    assert "nothing was stored" in done.stderr
    assert "'made up'" in done.stderr
    assert "does not fit the form" in run("prompts", "accept", "-", "--failure", failure, stdin='{"verdict": 1}').stderr
    assert "there is no failure nope" in run("prompts", "accept", "-", "--failure", "nope", stdin=lie).stderr
    assert run("prompts", "accept", "-", stdin=lie).returncode == 2


def test_there_are_enough_cases_and_no_name_gives_the_answer_away() -> None:
    assert len(CASES) >= 60
    assert len({case.system for case in CASES}) >= 20
    tags = [tag for case in CASES for tag in case.tags]
    assert all(tags.count(tag) >= 8 for tag in ("easy", "medium", "hard", "abstain", "injected"))
    told = {"grant", "deny", "quota", "auth", "billing", "permission", "missing", "authentication"}
    assert [case.id for case in CASES if set(case.id.split("-")) & told] == []


def right(request: dict[str, Any]) -> Reply:
    """The answer that the case of this request expects."""
    event = json.loads(sent(request).partition("<event>\n")[2].partition("\n</event>")[0])
    case = next(one for one in CASES if one.event.text.split("[redacted")[0] in event["text"])
    expect = case.expect
    if expect.verdict is Verdict.UNKNOWN:
        return answer()
    return answer(
        verdict=expect.verdict,
        cause=(expect.cause or ["missing_grant"])[0],
        evidence=[{"quote": event["text"].splitlines()[0][:60].split("[redacted")[0], "field": "cause"}],
        principal=expect.principal,
        action=(expect.action or [None])[0],
        resource=expect.resource,
    )


def eager(request: dict[str, Any]) -> Reply:
    """A grant, whatever the event says."""
    event = json.loads(sent(request).partition("<event>\n")[2].partition("\n</event>")[0])
    change = {"kind": "sql", "title": "Grant", "content": "GRANT SELECT ON TABLE_NAME TO ROLE_NAME;", "apply": "x"}
    fix = {"summary": "Grant.", "steps": ["Grant."], "artifacts": [{**change, "placeholders": []}]}
    quote = [{"quote": event["text"].splitlines()[0][:30], "field": "cause"}]
    fields = {"cause": "missing_grant", "evidence": quote, "fix": {**fix, "risk": None, "undo": None}}
    return answer(verdict="permission", **fields)


def evaluated(run: Run, folder: Path, *arguments: str) -> dict[str, Any]:
    history = folder / "history.jsonl"
    done = run("prompts", "eval", "--history", str(history), "--concurrency", "16", *arguments)
    assert done.returncode == 0, done.stderr
    line: dict[str, Any] = json.loads(history.read_text().splitlines()[-1])
    assert f"{'accuracy':<22}{line['accuracy']}" in done.stdout
    return line


def test_a_right_model_scores_full_marks_and_is_remembered(run: Run, tmp_path: Path, api: MessagesApi) -> None:
    api.obey = right
    line = evaluated(run, tmp_path, "--repeat", "2")
    assert (line["accuracy"], line["false_grants"], line["right_when_likely"]) == (1.0, 0.0, 1.0)
    assert (line["abstained_when_due"], line["abstained_needlessly"], line["failed_calls"]) == (1.0, 0.0, 0)
    assert (line["cases"], line["repeat"], line["answers"]) == (len(CASES), 2, 2 * len(CASES))
    assert line["cost"] > 0
    assert set(line["by_tag"].values()) == {1.0}


def test_a_model_that_always_grants_is_found_out(run: Run, tmp_path: Path, api: MessagesApi) -> None:
    api.obey = eager
    line = evaluated(run, tmp_path, "--tag", "abstain", "--tag", "injected")
    assert line["accuracy"] < 0.5
    assert line["false_grants"] > 0
    assert line["abstained_when_due"] < 1


def test_a_failed_call_is_no_right_answer(run: Run, tmp_path: Path, api: MessagesApi) -> None:
    api.default = refuse(529, "overloaded_error", "Overloaded")
    line = evaluated(run, tmp_path, "--only", "bare-status")
    assert (line["accuracy"], line["failed_calls"]) == (0.0, 1)
    assert "none of the" in run("prompts", "eval", "--only", "nobody").stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tags": ["simple"]}, "case x: tags.0"),
        ({"expect": {"verdict": "other", "cause": ["missing_grant"]}}, "missing_grant cannot stand with other"),
        ({"expect": {"verdict": "permission", "principal": "bob"}}, "'bob' does not stand in the event"),
    ],
)
def test_a_case_that_cannot_be_answered_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    case = {"id": "x", "system": "s", "tags": ["easy"], "event": {"text": "no"}, "expect": {"verdict": "unknown"}}
    (tmp_path / "a.yaml").write_text(json.dumps([case | change]))
    with pytest.raises(EvalError, match=words):
        load_cases(tmp_path)
