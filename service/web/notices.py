"""What just happened, told on the next page. Only fixed words come from the address. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_DONE = {
    "approve": "Approved. This is the next one.",
    "correct": "Corrected and approved. This is the next one.",
    "reject": "Rejected. This is the next one.",
}
_DONE_LAST = {"approve": "Approved.", "correct": "Corrected and approved.", "reject": "Rejected."}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence, with a link where one helps."""

    text: str
    tone: Literal["good", "bad"] = "good"
    href: str | None = None
    link: str = ""


def review_notice(query: Mapping[str, str], *, on_queue: bool) -> Notice | None:
    """The decision that `done` and `was` of the query string tell of."""
    text = (_DONE_LAST if on_queue else _DONE).get(query.get("done", ""))
    if text is None:
        return None
    was = query.get("was", "")
    return Notice(text, href=f"/failures/{was}" if _ID.fullmatch(was) else None, link="Open the last one again")
