"""`/rules`: what whydenied knows without a model, and the proof of each rule."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import walk_tree

from service.domain import Answer
from service.match.matcher import Matcher, ReadyRule
from service.store.failures import list_answered_by
from service.web.highlight import Segment, highlight
from service.web.pages import show_error, show_twinned, twinned
from service.web.queue_view import row_of
from service.web.rule_view import DAYS, list_packs, load_fares
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_MOST_RULES, _HITS_SHOWN = 100, 10
_PROOF = {"examples", "counterexamples"}


@dataclass(frozen=True, slots=True)
class Proof:
    """An example of a rule: the text with what the rule reads in it, and the title it gives."""

    segments: Sequence[Segment]
    title: str | None
    why: str | None = None


@twinned(router, "/rules")
def list_rules(request: Request, services: _Services, system: str = "", q: str = "", used: str = "") -> Response:
    """The packs; with `system`, `q` or `used`, the rules of one pack, with the words, or that answered lately."""
    matcher = services.pipeline.matcher
    with services.engine.connect() as conn:
        fares = load_fares(conn, datetime.now(UTC))
    found = list(matcher.rules.values()) if system or q or used else []
    found = [ready for ready in found if _is_wanted(ready, system, q)]
    if used:
        answered = [ready for ready in found if fares.events.get(ready.rule.id)]
        found = sorted(answered, key=lambda ready: (-fares.events[ready.rule.id], ready.rule.id))
    packs, shown = list_packs(matcher, fares), [fares.of(ready) for ready in found[:_MOST_RULES]]
    return show_twinned(
        request,
        "rules.html",
        {"packs": packs, "rules": shown, "total": len(matcher.rules), "days": DAYS},
        section="/rules",
        packs=packs,
        rules=shown,
        hidden=max(0, len(found) - _MOST_RULES),
        total=len(matcher.rules),
        days=DAYS,
        system=system,
        q=q,
        used=bool(used),
    )


@twinned(router, "/rules/{rule_id}")
def show_rule(request: Request, services: _Services, rule_id: str) -> Response:
    """One rule as it is loaded, with its examples answered, how it fares, and what it answered last."""
    matcher = services.pipeline.matcher
    ready = matcher.rules.get(rule_id)
    if ready is None:
        return show_error(request, 404, "No such rule", "It may have been renamed or removed since it gave its answer.")
    now = datetime.now(UTC)
    with services.engine.connect() as conn:
        fared = load_fares(conn, now).of(ready)
        hits = [row_of(one, "", now) for one in list_answered_by(conn, rule_id, _HITS_SHOWN)]
    source = as_yaml(ready)
    twin = asdict(fared) | {
        "version": ready.version,
        "owner": ready.pack.owner,
        "yaml": source,
        "example_texts": [one.text for one in ready.rule.examples],
        "counterexample_texts": [one.text for one in ready.rule.counterexamples],
        "hits": [{"id": row.id, "title": row.title, "events": row.seen} for row in hits],
    }
    return show_twinned(
        request,
        "rule.html",
        twin,
        section="/rules",
        ready=ready,
        fared=fared,
        days=DAYS,
        hits=hits,
        source=source,
        examples=[_proof(matcher, example.text, example.context) for example in ready.rule.examples],
        counterexamples=[Proof(highlight(one.text, ()), None, one.why) for one in ready.rule.counterexamples],
    )


def as_yaml(ready: ReadyRule) -> str:
    """The rule without its examples, as YAML."""
    data = ready.rule.model_dump(mode="json", exclude_defaults=True, exclude=_PROOF, by_alias=True)
    walk_tree(data)
    out = StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.dump(data, out)
    return out.getvalue()


def _is_wanted(ready: ReadyRule, system: str, q: str) -> bool:
    if system and ready.pack.system != system:
        return False
    rule = ready.rule
    words = f"{rule.id} {rule.title} {rule.cause}".lower() if q else ""
    return all(word in words for word in q.lower().split())


def _proof(matcher: Matcher, text: str, context: dict[str, object]) -> Proof:
    match = matcher.match(text, context)
    answer: Answer | None = match.answer("example") if match else None
    return Proof(highlight(text, answer.evidence if answer else ()), answer.title if answer else None)
