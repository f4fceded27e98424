"""The queue's filter as it stands in the address: read, shown, changed and cleared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain import Cause, Confidence, Verdict
from service.store.failures import Sort
from service.web.words import cause_words

TABS = {
    "needs_review": "Needs review",
    "approved": "Approved",
    "rejected": "Rejected",
    "snoozed": "Snoozed",
    "all": "All",
}
SORT_WORDS: dict[Sort, str] = {"latest": "latest first", "priority": "by priority", "events": "most events first"}
FILTERS = {
    "q": "Search",
    "verdict": "Verdict",
    "cause": "Cause",
    "confidence": "Confidence",
    "producer": "Answered by",
    "source": "Source",
    "system": "Refused by",
    "service": "Service",
    "environment": "Environment",
}
TYPED = ("system", "service", "environment")
PRODUCERS = {"rule": "a rule", "llm": "a model", "reviewer": "an engineer", "none": "nobody yet"}
OPTIONS: dict[str, dict[str, str]] = {
    "verdict": {verdict: verdict for verdict in Verdict},
    "cause": {cause: cause_words(cause) for cause in Cause},
    "confidence": {confidence: confidence for confidence in Confidence},
    "producer": PRODUCERS,
}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which failures the reader wants to see, and in which order: a tab, and the values that are not empty."""

    tab: str
    values: Mapping[str, str]
    sort: Sort = "latest"

    @property
    def status(self) -> str | None:
        """The review status, or None for all."""
        return {"all": None, "snoozed": "needs_review"}.get(self.tab, self.tab)

    @property
    def snoozed(self) -> bool | None:
        """Whether to list what is snoozed, or None for both."""
        return {"needs_review": False, "snoozed": True}.get(self.tab)

    def parameters(self, **changes: str | None) -> dict[str, str]:
        """The query parameters of this filter with some changed; None leaves one out."""
        status = None if self.tab == "needs_review" else self.tab
        sort = None if self.sort == "latest" else self.sort
        merged: dict[str, Any] = {"status": status, **self.values, "sort": sort, **changes}
        return {name: value for name, value in merged.items() if value}


def read_filter(query: Mapping[str, str]) -> QueueFilter:
    """The filter of an address. What is not in a closed list is ignored, and text is cut to a sane length."""
    tab = query.get("status", "needs_review")
    values = {name: query.get(name, "").replace("\x00", "").strip()[:_LONGEST] for name in FILTERS}
    known = {name: value for name, value in values.items() if value and value in OPTIONS.get(name, {value: value})}
    sort: Sort = next((one for one in SORT_WORDS if one == query.get("sort")), "latest")
    return QueueFilter(tab if tab in TABS else "needs_review", known, sort)


def value_words(name: str, value: str) -> str:
    """The value of a filter in words."""
    return OPTIONS.get(name, {}).get(value, value)
