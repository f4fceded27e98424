"""Whether another call of a model may be sent now, by budgets and the limit per minute. Pure; times are UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

_MINUTE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator allows: US dollars per day and per month of the UTC calendar, and calls per minute."""

    day: float | None = None
    month: float | None = None
    per_minute: int | None = None

    @property
    def has_budget(self) -> bool:
        """Whether money is limited."""
        return self.day is not None or self.month is not None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no call is sent, for people, and until when. `state` is what a failure's analysis is in meanwhile."""

    state: Literal["queued", "unavailable"]
    reason: str
    until: datetime


def start_of_day(now: datetime) -> datetime:
    """Midnight before `now`."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def start_of_month(now: datetime) -> datetime:
    """The first midnight of the month."""
    return start_of_day(now).replace(day=1)


def budget_hold(limits: Limits, day: float, month: float, most: float, now: datetime) -> Hold | None:
    """The hold while a call that may cost `most` does not fit; `day` and `month` are spent. In dollars."""
    next_month = (start_of_month(now) + timedelta(days=32)).replace(day=1)
    next_day = start_of_day(now) + timedelta(days=1)
    if limits.month is not None and month + most > limits.month:
        return Hold("queued", _spent("month", limits.month, month, most, next_month), next_month)
    if limits.day is not None and day + most > limits.day:
        return Hold("queued", _spent("day", limits.day, day, most, next_day), next_day)
    return None


def pace_hold(limits: Limits, starts: Sequence[datetime], now: datetime) -> Hold | None:
    """The hold while the last minute is full; `starts` are its latest calls, the newest first."""
    if limits.per_minute is None or len(starts) < limits.per_minute:
        return None
    until = _aware(starts[limits.per_minute - 1]) + _MINUTE
    if until <= now:
        return None
    reason = f"The limit of {limits.per_minute} calls a minute is reached. It goes on at {_clock(until)}."
    return Hold("queued", reason, until)


def _spent(period: str, allowed: float, spent: float, most: float, until: datetime) -> str:
    return (
        f"The budget for models is spent: ${spent:.2f} of ${allowed:.2f} this {period}; a call may cost ${most:.2f}. "
        f"It goes on by itself on {until:%Y-%m-%d} at 00:00 UTC, or after a restart with a higher budget."
    )


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
