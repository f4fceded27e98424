"""What a reviewer changed in an answer, field by field. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.domain import Answer
from service.web.correction import form_of

_ARTIFACT = re.compile(r"artifact-(\d)-(\w+)")


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after, in the words of the form; empty text where it was not given."""

    field: str
    before: str
    after: str


def list_changes(before: Answer, after: Answer) -> list[Change]:
    """The fields that differ, in the order of the form."""
    return list(_differ(form_of(before), form_of(after)))


def _differ(before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for name in before | after:
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Change(_words(name), old, new)


def _words(name: str) -> str:
    """`fix_summary` as `Fix summary`, `artifact-0-content` as `Change 1, content`."""
    if found := _ARTIFACT.fullmatch(name):
        return f"Change {int(found[1]) + 1}, {found[2]}"
    return name.replace("_", " ").capitalize()
