"""What an event says, as a set of words to check claims against."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.llm.draft import DraftArtifact

MASK = re.compile(r"\[redacted:[^\]\s]*\]?")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\Z")
_LOOKS_LIKE_PLACEHOLDER = re.compile(r"(?<![\w$])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w)")
_HOST = re.compile(r"https?://(?:[^@/\s]*@)?([^:/?#\s]+)", re.IGNORECASE)
_LONGEST = 512


@dataclass(frozen=True)
class Facts:
    """The text of an event as stored, and all that its context adds."""

    text: str
    everything: str
    own_hosts: frozenset[str]

    @classmethod
    def of(cls, text: str, context: Mapping[str, Any]) -> "Facts":
        """The facts of one event. `own_hosts`: where the request went that failed, by the sender's account."""
        return cls(text, "\n".join((text, *_strings(context))), _hosts(str(context.get("url") or "")))

    def about(self, resource: str | None) -> "Facts":
        """The same facts, for an answer about this resource: its host is as good as the request's own."""
        return replace(self, own_hosts=self.own_hosts | _hosts(self.exact(resource) or ""))

    def knows(self, value: str) -> bool:
        """Whether the event names this value, whole words, as it is written."""
        return bool(value.strip()) and bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", self.everything))

    def mentions(self, value: str) -> bool:
        """Whether the event has these letters anywhere, in upper or lower case."""
        return bool(value) and value.casefold() in self.everything.casefold()

    def exact(self, value: str | None) -> str | None:
        """The value where the event names it and it is no mask, else None."""
        if value is None or MASK.search(value) or len(value) > _LONGEST or not self.knows(value):
            return None
        return value

    def placeholders(self, artifact: DraftArtifact) -> tuple[str, ...]:
        """The placeholders that the content holds: those listed, and those that only look like one."""
        listed = [name for name in artifact.placeholders if _PLACEHOLDER.match(name) and name in artifact.content]
        found = [name for name in _LOOKS_LIKE_PLACEHOLDER.findall(artifact.content) if not self.knows(name)]
        return tuple(dict.fromkeys([*listed, *found]))


def _hosts(address: str) -> frozenset[str]:
    found = _HOST.match(address)
    return frozenset({found[1].lower()} if found else ())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
    elif value is not None:
        yield str(value)
