"""Three hundred planted secrets, from the sender to the page: none is ever sent to a model, stored, logged or shown."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
import re2
import typer
from command import run_command
from messages_api import KEY, MessagesApi, serve_messages_api
from planted_secrets import KINDS, PLACES, plant
from served import Served, serving, variables
from service_site import EMAIL, PASSWORD
from worker_setting import eventually

from service.cli.inquiries import inquire
from service.match.matcher import Matcher
from service.redact import Redactor
from service.settings import Settings

ADMIN = "admin-key-of-tests"
PLANTED = list(plant())


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    with serve_messages_api() as opened:
        yield opened


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, api: MessagesApi) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("planted")
    settings = {"admin_api_key": ADMIN, "llm_api_key": KEY, "llm_base_url": api.url, "llm_concurrency": "32"}
    adding = ("accounts", "add", "--email", EMAIL, "--role", "admin", "--password-stdin")
    run_command(*adding, stdin=f"{PASSWORD}\n", **variables(folder))
    with serving(folder, worker="true", log_level="debug", **settings) as process:
        send_all(process)
        yield process


def send_all(served: Served) -> None:
    events = [{"text": one.text, "id": str(n), "attributes": {"note": one.text}} for n, one in enumerate(PLANTED)]
    with client(served) as rest:
        for start in range(0, len(events), 50):
            reply = rest.post("/api/v1/events", json=events[start : start + 50])
            assert reply.is_success, reply.text
        eventually(lambda: not [one for one in failures_of(rest) if one["analysis_state"] in {"queued", "running"}])


def client(served: Served) -> httpx.Client:
    headers = {"authorization": f"Bearer {ADMIN}"}
    return httpx.Client(base_url=served.url, headers=headers, trust_env=False, verify=False, timeout=30)


def failures_of(rest: httpx.Client) -> list[dict[str, str]]:
    found, cursor = [], ""
    while True:
        page = rest.get("/api/v1/failures", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
        found += page["items"]
        if not (cursor := page.get("next_cursor") or ""):
            return found


ANY = re2.compile("|".join(re.escape(trace) for one in PLANTED for trace in one.traces))


def leaks(held: str) -> list[str]:
    """The traces of secrets in a text, by one look."""
    return [found.group() for found in ANY.finditer(held)]


def test_there_are_three_hundred_of_thirty_kinds() -> None:
    assert (len(PLANTED), len(KINDS), len(PLACES)) == (300, 30, 10)
    assert [one for one in PLANTED if not leaks(one.text)] == []


def test_none_reaches_the_model(served: Served, api: MessagesApi) -> None:
    assert len(api.requests) >= 200
    sent = "\n".join(one["messages"][0]["content"] for one in api.requests)
    assert leaks(sent + sent.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")) == []


def test_none_is_in_any_file_of_the_service(served: Served) -> None:
    folder = served.log.parent
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert {"whydenied.db", served.log.name} <= {path.name for path in files}
    for path in files:
        assert leaks(path.read_bytes().decode("utf-8", "replace")) == [], path.name


def test_none_is_shown(served: Served) -> None:
    with (
        client(served) as rest,
        httpx.Client(base_url=served.url, trust_env=False, verify=False, timeout=30) as browser,
    ):
        signed_in = {"email": EMAIL, "password": PASSWORD, "next": "/"}
        assert browser.post("/login", data=signed_in, headers={"sec-fetch-site": "same-origin"}).status_code == 303
        for failure in failures_of(rest)[::10]:
            place = f"/failures/{failure['id']}"
            shown = [browser.get(place).text, browser.get(f"{place}.md").text]
            shown.append(json.dumps(rest.get(f"/api/v1{place}/events").json()))
            assert [one for text in shown for one in leaks(text)] == []


def test_where_the_redactor_breaks_nothing_is_sent_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Redactor, "_find", lambda *_: 1 / 0)
    with pytest.raises(typer.Exit):
        inquire(PLANTED[0].text, {}, Matcher([]), Settings())
    said = capsys.readouterr().err
    assert "could not be checked for secrets" in said
    assert "nothing was sent" in said
    assert leaks(said) == []
