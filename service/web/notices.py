"""What just happened, told on the next page. Only fixed words come from the address. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_DONE = {
    "approve": "Approved. This is the next one.",
    "correct": "Corrected and approved. This is the next one.",
    "reject": "Rejected. This is the next one.",
    "snooze": "Snoozed. This is the next one.",
}
_STAYED = {
    "reopen": "Reopened. It waits for review again.",
    "resolve": "Marked as resolved. If it happens again, it comes back.",
    "note": "The note is kept.",
}
_DONE_LAST = {"approve": "Approved.", "correct": "Corrected and approved.", "reject": "Rejected.", "snooze": "Snoozed."}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence, with a link where one helps."""

    text: str
    tone: Literal["good", "bad"] = "good"
    href: str | None = None
    link: str = ""


_SOURCES = {
    "secret": "The secret is set. The connection receives with it now.",
    "limits": "The limits are changed. Every process knows them within seconds.",
    "untested": "The test event is deleted.",
    "deleted": "The connection is removed. What it delivered stays.",
    "replayed": "The delivery could be read this time. What it held is stored.",
}


_ACCOUNTS = {
    "password": "The password is changed. Every other browser is signed out.",
    "ended": "The session is ended.",
    "others": "Every other browser is signed out.",
    "changed": "The account is changed.",
    "signed-out": "All sessions of the account are ended.",
    "revoked": "The key is revoked. It opens nothing any more.",
}


def account_notice(query: Mapping[str, str]) -> Notice | None:
    """What was just done to an account, a session or a key, as `done` of the query string tells."""
    text = _ACCOUNTS.get(query.get("done", ""))
    return Notice(text) if text else None


def source_notice(query: Mapping[str, str]) -> Notice | None:
    """What was just done to a connection or a kept delivery, as `done` of the query string tells."""
    text = _SOURCES.get(query.get("done", ""))
    return Notice(text) if text else None


def review_notice(query: Mapping[str, str], *, on_queue: bool) -> Notice | None:
    """The decision that `done` and `was` of the query string tell of."""
    if stayed := _STAYED.get(query.get("done", "")):
        return Notice(stayed)
    text = (_DONE_LAST if on_queue else _DONE).get(query.get("done", ""))
    if text is None:
        return None
    was = query.get("was", "")
    return Notice(text, href=f"/failures/{was}" if _ID.fullmatch(was) else None, link="Open the last one again")
