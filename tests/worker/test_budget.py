"""When another call may be sent, by money and by pace; and which provider may be called."""

from datetime import UTC, datetime, timedelta

from service.llm.base import LLMError
from service.worker.breaker import Breaker
from service.worker.budget import Limits, budget_hold, pace_hold, start_of_day, start_of_month

NOW = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
OUTAGE = LLMError("The provider is overloaded (529)", permanent=False)


def test_a_call_is_sent_only_if_its_highest_cost_still_fits() -> None:
    limits = Limits(day=5.0, month=100.0)
    assert budget_hold(limits, day=4.9, month=50.0, most=0.1, now=NOW) is None
    day = budget_hold(limits, day=4.95, month=50.0, most=0.1, now=NOW)
    assert day
    assert day.until == datetime(2027, 1, 1, tzinfo=UTC)
    assert "$4.95 of $5.00 this day; a call may cost $0.10" in day.reason
    assert "on 2027-01-01 at 00:00 UTC" in day.reason
    month = budget_hold(Limits(month=60.0), day=0.0, month=60.0, most=0.1, now=NOW.replace(month=11, day=30))
    assert month
    assert month.until == datetime(2026, 12, 1, tzinfo=UTC)
    assert "this month" in month.reason
    assert budget_hold(Limits(), day=1e9, month=1e9, most=1e9, now=NOW) is None


def test_periods_are_those_of_the_utc_calendar() -> None:
    east = NOW.astimezone(tz=datetime.now().astimezone().tzinfo)
    assert start_of_day(east) == datetime(2026, 12, 31, tzinfo=UTC)
    assert start_of_month(NOW) == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_full_minute_waits_until_its_oldest_call_is_a_minute_old() -> None:
    starts = [NOW - timedelta(seconds=second) for second in (1, 20, 50)]
    hold = pace_hold(Limits(per_minute=3), starts, NOW)
    assert hold
    assert hold.until == NOW + timedelta(seconds=10)
    assert "3 calls a minute" in hold.reason
    assert pace_hold(Limits(per_minute=4), starts, NOW) is None
    assert pace_hold(Limits(), starts, NOW) is None
    naive = [start.replace(tzinfo=None) for start in starts]
    assert pace_hold(Limits(per_minute=3), naive, NOW) == hold


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_provider_that_keeps_failing_is_left_alone_then_tried_with_one_call() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(3):
        assert breaker.admits()
        breaker.failed(OUTAGE)
    assert (breaker.admits(), breaker.rest, breaker.error) == (False, 15.0, OUTAGE)
    clock.now += 15
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.failed(OUTAGE)
    assert breaker.rest == 30.0
    clock.now += 30
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits(), breaker.admits()] == [True, True]


def test_failures_of_calls_that_were_in_flight_together_do_not_prolong_the_rest() -> None:
    breaker = Breaker(Clock())
    for _ in range(64):
        breaker.failed(OUTAGE)
    assert breaker.rest == 15.0


def test_a_refused_account_rests_at_once_and_a_limit_as_long_as_the_provider_asks() -> None:
    refused, limited = Breaker(Clock()), Breaker(Clock())
    refused.failed(LLMError("own key", permanent=True, account=True))
    assert refused.rest == 15 * 60
    limited.failed(LLMError("Slow down", permanent=False, retry_after=40.0))
    assert limited.rest == 40.0


def test_what_the_event_brought_about_says_nothing_about_the_provider() -> None:
    breaker = Breaker(Clock())
    for _ in range(9):
        breaker.failed(LLMError("too large", permanent=True))
        breaker.failed(LLMError("out of form", permanent=False, billed=True))
    assert breaker.admits()


def test_a_person_may_have_a_probe_sent_at_once() -> None:
    breaker = Breaker(Clock())
    breaker.failed(LLMError("own key", permanent=True, account=True))
    breaker.cut_short()
    assert [breaker.admits(), breaker.admits()] == [True, False]


def test_a_probe_that_was_given_up_lets_the_next_one_go() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(LLMError("Slow down", permanent=False, retry_after=1.0))
    clock.now += 1
    assert breaker.admits()
    breaker.left()
    assert breaker.admits()
