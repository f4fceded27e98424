"""A pull's place in time: a window that is read page by page, then the next one, which overlaps a little.

Logs arrive late, so each window begins before the end of the last. What is seen twice has the vendor's id twice, and is
one event.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

_FIRST = timedelta(minutes=15)
_OVERLAP = timedelta(minutes=2)
_LONGEST = timedelta(hours=6)
_PAGE_LIVES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` to `until`; `page` is the vendor's token of the next page, None for the first."""

    since: datetime
    until: datetime
    page: str | None = None

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> "Window":
        """The window of a cursor. A page's token that is older than 10 minutes has expired: the window begins anew."""
        try:
            told = json.loads(cursor or "{}")
            since = datetime.fromisoformat(told["since"]) if "since" in told else now - _FIRST
            if "page" in told and now - (until := datetime.fromisoformat(told["until"])) < _PAGE_LIVES:
                return cls(since, until, str(told["page"]))
        except (ValueError, TypeError):
            since = now - _FIRST
        return cls(since, min(now, since + _LONGEST))

    def turn(self, page: str | None, overlap: timedelta = _OVERLAP) -> str:
        """The cursor after this page: the next page, or the next window where there is none.

        `overlap` is how late the source may show something.
        """
        if page:
            turned = replace(self, page=page)
            return json.dumps({"since": turned.since.isoformat(), "until": turned.until.isoformat(), "page": page})
        return json.dumps({"since": max(self.since, self.until - overlap).isoformat()})

    def is_behind(self, now: datetime) -> bool:
        """Whether the next window is due at once, because this one ended long ago."""
        return now - self.until > _OVERLAP


def nanoseconds(moment: datetime) -> int:
    """Since the epoch, exactly."""
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds) * 1_000


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return nanoseconds(moment) // 1_000_000


def zulu(moment: datetime) -> str:
    """As RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
