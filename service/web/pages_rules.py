"""`/rules`: what whydenied knows without a model, and the proof of each rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import walk_tree

from service.domain import Answer
from service.match.matcher import Matcher, ReadyRule
from service.web.highlight import Segment, highlight
from service.web.pages import show, show_error

router = APIRouter(include_in_schema=False)
_MOST_RULES = 100
_PROOF = {"examples", "counterexamples"}


@dataclass(frozen=True, slots=True)
class Proof:
    """An example of a rule: the text with what the rule reads in it, and the title it gives."""

    segments: Sequence[Segment]
    title: str | None
    why: str | None = None


@router.get("/rules")
def list_rules(request: Request, system: str = "", q: str = "") -> HTMLResponse:
    """The packs; with `system` or `q`, the rules of one pack or those that contain the words."""
    matcher: Matcher = request.app.state.services.pipeline.matcher
    found = [ready for ready in matcher.rules.values() if _is_wanted(ready, system, q)] if system or q else []
    return show(
        request,
        "rules.html",
        section="/rules",
        packs=matcher.packs,
        rules=found[:_MOST_RULES],
        hidden=max(0, len(found) - _MOST_RULES),
        total=len(matcher.rules),
        system=system,
        q=q,
    )


@router.get("/rules/{rule_id}")
def show_rule(request: Request, rule_id: str) -> HTMLResponse:
    """One rule as it is loaded, with its examples answered."""
    matcher: Matcher = request.app.state.services.pipeline.matcher
    ready = matcher.rules.get(rule_id)
    if ready is None:
        return show_error(request, 404, "No such rule", "It may have been renamed or removed since it gave its answer.")
    return show(
        request,
        "rule.html",
        section="/rules",
        ready=ready,
        source=as_yaml(ready),
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
    rule = ready.rule
    words = f"{rule.id} {rule.title} {rule.cause}".lower()
    return (not system or ready.pack.system == system) and all(word in words for word in q.lower().split())


def _proof(matcher: Matcher, text: str, context: dict[str, object]) -> Proof:
    match = matcher.match(text, context)
    answer: Answer | None = match.answer("example") if match else None
    return Proof(highlight(text, answer.evidence if answer else ()), answer.title if answer else None)
