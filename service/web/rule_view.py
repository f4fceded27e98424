"""How rules fare: events that they answered lately, and what reviewers thought of their answers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from service.match.matcher import Matcher, ReadyRule
from service.store.tallies import count_answered
from service.store.verdicts import Judged, list_judged
from service.web.words import template_words

DAYS = 7


@dataclass(frozen=True, slots=True)
class Fared:
    """One rule of a list. `events` are those of the last `DAYS` days; `rate` is the share approved, None unjudged."""

    id: str
    title: str
    system: str
    verdict: str
    cause: str
    confidence: str
    examples: int
    events: int
    approved: int
    rejected: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class FaredPack:
    """One pack of the list."""

    system: str
    owner: str
    layer: str
    rules: int
    events: int


@dataclass(frozen=True, slots=True)
class Fares:
    """Events of the last `DAYS` days, and verdicts on any version, by the id of a rule."""

    events: Mapping[str, int]
    verdicts: Mapping[str, Judged]

    def of(self, ready: ReadyRule) -> Fared:
        """How one rule fares."""
        rule = ready.rule
        judged = self.verdicts.get(rule.id, Judged(0, 0))
        return Fared(
            id=rule.id,
            title=template_words(rule.title),
            system=ready.pack.system,
            verdict=rule.verdict,
            cause=rule.cause,
            confidence=rule.confidence,
            examples=len(rule.examples),
            events=self.events.get(rule.id, 0),
            **judged._asdict(),
            rate=judged.rate,
        )


def load_fares(conn: Connection, now: datetime) -> Fares:
    """How rules fare, by the latest 2,000 verdicts."""
    counted = count_answered(conn, DAYS, now, ("producer", "producer_name"))
    verdicts: dict[str, Judged] = {}
    for (producer, name, _), one in list_judged(conn).items():
        if producer == "rule":
            before = verdicts.get(name, Judged(0, 0))
            verdicts[name] = Judged(before.approved + one.approved, before.rejected + one.rejected)
    return Fares({name: many for (producer, name), many in counted.items() if producer == "rule"}, verdicts)


def list_packs(matcher: Matcher, fares: Fares) -> list[FaredPack]:
    """Every pack that is loaded, with the events of its rules."""
    events: Counter[str] = Counter()
    for name, many in fares.events.items():
        if ready := matcher.rules.get(name):
            events[ready.pack.system] += many
    return [
        FaredPack(pack.system, pack.owner, pack.layer, len(pack.rules), events[pack.system]) for pack in matcher.packs
    ]
