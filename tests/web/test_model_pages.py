"""What people see of the model: how far an analysis is, what it costs, and asking again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import ADMIN_KEY, client
from messages_api import KEY, MODEL, MessagesApi, answer, refuse, serve_messages_api
from service_site import Site, running_site
from worker_setting import GOOD, QUOTE, eventually

from service.store.failures import get_failure
from service.store.spending import NewCall, close_call, open_call

NUMBERS = count(1)


@pytest.fixture(scope="module")
def model() -> Iterator[MessagesApi]:
    with serve_messages_api() as api:
        api.default = answer(**GOOD)
        yield api


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, model: MessagesApi) -> Iterator[Site]:
    """A service with a worker, whose model is the double."""
    settings = {"worker": True, "llm_api_key": KEY, "llm_base_url": model.url, "llm_budget_day": 5.0}
    folder = tmp_path_factory.mktemp("working")
    with running_site(folder, admin_api_key=ADMIN_KEY, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def browser(api_site: Site) -> httpx.Client:
    return api_site.browser()


def state_of(site: Site, failure_id: str) -> str:
    with site.services.engine.connect() as conn:
        failure = get_failure(conn, failure_id)
    assert failure
    return failure.analysis_state


def call_model(site: Site, failure_id: str, cost: float | None, tokens: tuple[int, int] = (0, 0)) -> None:
    call = NewCall(failure_id, "anthropic", MODEL, "root_cause", "1", cost)
    with site.services.engine.begin() as conn:
        call_id = open_call(conn, call, datetime.now(UTC))
        if any(tokens):
            close_call(conn, call_id=call_id, outcome="answered", model=MODEL, tokens=tokens, cost=cost, seconds=2.0)


def told(lines: Iterator[str]) -> dict[str, Any]:
    line = next(line for line in lines if line.startswith("data: "))
    data: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return data


def test_the_stage_of_an_analysis_is_told_until_it_ends(api_site: Site, browser: httpx.Client) -> None:
    failure = api_site.seed(next(NUMBERS), "nobody knows what").failure_id or ""
    page = browser.get(f"/failures/{failure}").text
    assert f'data-progress="/failures/{failure}/progress"' in page
    with browser.stream("GET", f"/failures/{failure}/progress") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "default-src 'self'" in stream.headers["content-security-policy"]
        lines = stream.iter_lines()
        first = told(lines)
        assert (first["stage"], first["word"]) == ("It waits for its turn.", "waiting")
        call_model(api_site, failure, 0.1)
        api_site.set_state(failure, "running", "claude-sonnet-5-5 by anthropic is asked.")
        second = told(lines)
        while second["word"] == "waiting":
            second = told(lines)
        assert second["stage"] == "claude-sonnet-5-5 by anthropic is asked."
        assert int(second["elapsed"].split()[0]) <= 10
        api_site.set_state(failure, "failed", "The model declined.")
        while "ended" not in (last := told(lines)):
            pass
        assert last == {"ended": True}
    assert browser.get(f"/failures/{failure}/progress").status_code == 204
    assert browser.get("/failures/nope/progress").status_code == 204
    assert "data-progress" not in browser.get(f"/failures/{failure}").text


def test_progress_is_for_those_who_signed_in(api_site: Site) -> None:
    failure = api_site.seed(next(NUMBERS), "nobody knows that either").failure_id
    reply = api_site.browser(None).get(f"/failures/{failure}/progress")
    assert reply.status_code == 303


def test_what_waits_says_so_and_why(api_site: Site, browser: httpx.Client) -> None:
    failure = api_site.seed(next(NUMBERS), "nobody knows yet").failure_id or ""
    api_site.set_state(failure, "queued", "The budget for models is spent: $5.00 of $5.00 this day.")
    page = browser.get(f"/failures/{failure}").text
    assert '<span data-told="word">waiting</span>' in page
    assert "$5.00 of $5.00 this day" in page
    assert "$5.00 of $5.00 this day" in browser.get("/").text


def test_the_cost_of_models_is_shown_in_total_and_against_the_budget(working: Site) -> None:
    call_model(working, "1", 1.25, (100_000, 20_000))
    call_model(working, "2", None, (10, 10))
    with client(working) as admin:
        usage = admin.get("/api/v1/usage").json()
    assert usage["models"] == [{"provider": "anthropic", "model": MODEL}]
    assert (usage["day"]["budget"], usage["month"]["budget"]) == (5.0, None)
    assert usage["day"]["cost"] >= 1.25
    [total] = usage["totals"]
    assert (total["calls"], total["unpriced"]) >= (2, 1)
    assert total["input_tokens"] >= 100_010
    page = working.browser().get("/usage").text
    assert "of $5.00" in page
    assert MODEL in page


def test_without_a_model_the_page_says_that_only_rules_answer(browser: httpx.Client) -> None:
    assert "only rules answer" in browser.get("/usage").text


def test_asking_again_starts_at_once(working: Site, model: MessagesApi) -> None:
    failure = working.seed(next(NUMBERS), f"{QUOTE} orders").failure_id or ""
    working.set_state(failure, "failed", "The model declined.")
    with client(working) as admin:
        assert admin.post(f"/api/v1/failures/{failure}/retry").status_code == 202
        eventually(lambda: state_of(working, failure) == "answered", 20)
        again = admin.post(f"/api/v1/failures/{failure}/retry")
        assert (again.status_code, again.json()["type"]) == (409, "urn:whydenied:problem:analysis-not-over")
        assert admin.post("/api/v1/failures/nope/retry").status_code == 404
    second = working.seed(next(NUMBERS), f"{QUOTE} refunds").failure_id or ""
    working.set_state(second, "failed", "The model declined.")
    assert working.browser().post(f"/failures/{second}/retry").status_code == 303
    eventually(lambda: state_of(working, second) == "answered", 20)


def test_a_refused_key_is_explained_on_the_page_by_its_own_rules(tmp_path: Path) -> None:
    rules = str(Path(__file__).parents[2] / "rules" / "anthropic.yaml")
    with serve_messages_api() as api:
        api.default = refuse(
            403, "permission_error", "Your API key does not have permission to use the specified resource."
        )
        settings = {"worker": True, "llm_api_key": KEY, "llm_base_url": api.url}
        with running_site(tmp_path / "refused", extra_rules=[rules], **settings) as site:
            failure = site.seed(1, f"{QUOTE} orders").failure_id or ""
            site.services.ask_model([failure])
            eventually(lambda: state_of(site, failure) == "unavailable", 20)
            page = site.browser().get(f"/failures/{failure}").text
            api.default = answer(**GOOD)
            assert "Ask the model again" in page
            assert site.browser().post(f"/failures/{failure}/retry").status_code == 303
            eventually(lambda: state_of(site, failure) == "answered", 20)
    assert "whydenied&#39;s own key may not use" in page
    assert "Its own rules say why: The Claude API key may not use this resource." in page
