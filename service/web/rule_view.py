"""How rules fare: events that they answered lately, and what reviewers thought of their answers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from service.match.matcher import Matcher
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


def load_fared(conn: Connection, matcher: Matcher, now: datetime) -> dict[str, Fared]:
    """Every rule that is loaded, by its id. Verdicts are those on any of its versions, of the latest 5,000."""
    events = count_answered(conn, DAYS, now, ("producer", "producer_name"))
    verdicts: dict[str, Judged] = {}
    for (producer, name, _), one in list_judged(conn).items():
        if producer == "rule":
            before = verdicts.get(name, Judged(0, 0))
            verdicts[name] = Judged(before.approved + one.approved, before.rejected + one.rejected)
    return {
        name: Fared(
            id=name,
            title=template_words(ready.rule.title),
            system=ready.pack.system,
            verdict=ready.rule.verdict,
            cause=ready.rule.cause,
            confidence=ready.rule.confidence,
            examples=len(ready.rule.examples),
            events=events["rule", name],
            **(judged := verdicts.get(name, Judged(0, 0)))._asdict(),
            rate=judged.rate,
        )
        for name, ready in matcher.rules.items()
    }


def list_packs(matcher: Matcher, fared: Mapping[str, Fared]) -> list[FaredPack]:
    """Every pack that is loaded, with the events of its rules."""
    events: Counter[str] = Counter()
    for one in fared.values():
        events[one.system] += one.events
    return [
        FaredPack(pack.system, pack.owner, pack.layer, len(pack.rules), events[pack.system]) for pack in matcher.packs
    ]
