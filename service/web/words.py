"""The words pages use for the contract's closed lists, and for times, money and counts. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.base import Group
from service.domain import ArtifactKind, Cause, Confidence, Verdict

VERDICTS = {
    Verdict.PERMISSION: "A known identity lacks authorization, or a policy, scope, mode or allow-list forbids it.",
    Verdict.AUTHENTICATION: "The credentials are missing, malformed, expired or wrong. Granting more would not help.",
    Verdict.OTHER: "Not a permission problem, although it looks like one. Granting more would not help.",
    Verdict.UNKNOWN: "The text does not say enough. No cause is claimed.",
}
CONFIDENCES = {
    Confidence.CONFIRMED: "The text says so in words that only this cause produces.",
    Confidence.LIKELY: "The best reading of the text; check it before you apply the fix.",
    Confidence.UNKNOWN: "No claim is made.",
}
_VALUE = re.compile(r"""\{\{[\s(]*(?:placeholder\(["'])?([\w.]+).*?\}\}""", re.DOTALL)
_STATEMENT = re.compile(r"\{%-?\s*else\b.*?endif\s*-?%\}|\{%.*?%\}", re.DOTALL)
_ABBREVIATIONS = {"sso": "SSO", "ip": "IP"}
ARTIFACTS = {
    ArtifactKind.SQL: ("SQL", "sql"),
    ArtifactKind.JSON_POLICY: ("JSON policy", "json"),
    ArtifactKind.MANIFEST: ("manifest", "yaml"),
    ArtifactKind.CONFIG: ("configuration", "conf"),
    ArtifactKind.REDIS_ACL: ("Redis ACL", "acl"),
    ArtifactKind.SHELL: ("shell", "sh"),
    ArtifactKind.HTTP: ("HTTP request", "http"),
}
SCHEMES = {
    "signature": "a signature over each body",
    "bearer": "a bearer token",
    "basic": "a user name and password",
    "header": "a header of its own",
    "url-token": "a token in the address",
    "none": "nothing: anybody may send",
}
GROUPS: dict[Group, str] = {
    "errors": "Error trackers",
    "alerts": "Alerts and on-call",
    "logs": "Logs and traces",
    "cloud": "Clouds",
    "kubernetes": "Kubernetes",
    "delivery": "Code, CI and pipelines",
    "uptime": "Uptime checks",
    "any": "Anything else",
}
SNOOZES = {
    "event": "its next event",
    "hours": "4 hours from now",
    "day": "tomorrow at this time",
    "week": "a week from now",
    "month": "30 days from now",
    "week-or-event": "a week from now, or its next event",
}
REJECT_REASONS = {
    "wrong_cause": "Wrong cause",
    "wrong_fix": "Right cause, wrong fix",
    "not_a_permission_failure": "Not a permission failure",
    "duplicate": "Duplicate of another failure",
    "other": "Something else",
}


def cause_words(cause: Cause | str | None) -> str:
    """`network_or_ip_restriction` as `network or IP restriction`; no cause as `unknown`."""
    if not cause:
        return "unknown"
    return " ".join(_ABBREVIATIONS.get(word, word) for word in str(cause).split("_"))


def template_words(template: str) -> str:
    """A rule's template for people: `{{ principal | default('x') }}` as `<principal>`, of an `if` the first branch."""
    return _STATEMENT.sub("", _VALUE.sub(r"<\1>", template))


def file_extension(kind: ArtifactKind) -> str:
    """The extension under which an artifact is downloaded, without the dot."""
    return ARTIFACTS[kind][1]


def ago(moment: datetime, now: datetime) -> str:
    """`just now`, `4 min ago`, `3 h ago`, `2 d ago`, then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86_400:
        return f"{round(seconds / 3600)} h ago"
    if seconds < 30 * 86_400:
        return f"{round(seconds / 86_400)} d ago"
    return as_utc(moment).strftime("%-d %b %Y")


def as_utc(moment: datetime) -> datetime:
    """The moment in UTC; a naive one is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def absolute(moment: datetime) -> str:
    """`2026-11-21 21:39:05 UTC`."""
    return as_utc(moment).strftime("%Y-%m-%d %H:%M:%S UTC")


def dollars(cost: float | None) -> str:
    """A model call's cost in US dollars, with the digits that matter."""
    if cost is None:
        return "unknown cost"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}"


def plural(count: int, noun: str, plural_noun: str | None = None) -> str:
    """`1 event`, `2 events`, `1,204 events`."""
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"


def hours(count: float) -> str:
    """A span of hours as `2 min`, `3 h` or `4 days`."""
    if count < 1:
        return f"{max(1, round(60 * count))} min"
    return f"{round(count)} h" if count < 48 else f"{round(count / 24)} days"


def short(text: str, length: int, start: int | None = None) -> str:
    """The text in `length` characters: of a long one its start, by default a third, and its telling end."""
    start = length // 3 if start is None else start
    return text if len(text) <= length else f"{text[:start]}…{text[start + 1 - length :]}"


def short_url(url: str) -> str:
    """An address as the text of a link, without its scheme."""
    return short(re.sub(r"^https?://", "", url), 64)


def some(names: Sequence[str], most: int = 12) -> str:
    """The first names in one line, and how many more there are; `not named` for none."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(short(name, 90) for name in names[:most]) + more or "not named"


def step_parts(step: str) -> tuple[str, str]:
    """The first word of one of the four steps, which the eye looks for, and the rest."""
    lead = re.match(r"(?:Required|Held|Change|Test):", step)
    return (lead[0], step[lead.end() :]) if lead else ("", step)


def is_extra(title: str) -> bool:
    """Whether an artifact is an option, or another one in another form: not what to copy first."""
    return title.startswith("Optional") or title.endswith(", as Terraform")
