"""A model's draft becomes an answer only as far as the event proves it.

What fails is a finding, and an answer with a finding is not shown. What the event does not say is dropped. A model is
never more than `likely`. This module decides from the event's text alone: no network, no clock, no model.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain import (
    CAUSES_OF,
    Answer,
    Artifact,
    ByLLM,
    Confidence,
    Evidence,
    Fix,
    Verdict,
    Verify,
)
from service.llm.artifacts import find_faults, find_unproven
from service.llm.draft import Draft, DraftFix
from service.llm.facts import MASK, Facts
from service.llm.prose import find_bad_advice, is_read_only
from service.render import strip_control

_SYSTEM = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*\Z")
_NO_WORDS = re.compile(r"\W*\Z")
_QUOTES_MOST, _QUOTE_LONGEST, _LINE, _TEXT = 10, 500, 200, 4_000
_TELLING = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse a draft: the field, and what is wrong with it in words that the model can act on."""

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


def ground(
    draft: Draft, text: str, context: Mapping[str, Any], *, answer_id: str, produced_by: ByLLM
) -> Answer | list[Finding]:
    """The answer that the event proves, or every reason why there is none. `text` is the event's as stored."""
    facts = Facts.of(text, context)
    if draft.verdict is Verdict.UNKNOWN or draft.confidence == "unknown":
        draft = draft.model_copy(update={"verdict": Verdict.UNKNOWN, "cause": None, "missing_permissions": []})
    findings = list(_find(draft, facts))
    if findings:
        return findings
    return _assemble(draft, facts, answer_id, produced_by)


def _find(draft: Draft, facts: Facts) -> Iterator[Finding]:
    if draft.verdict is not Verdict.UNKNOWN and draft.cause not in CAUSES_OF[draft.verdict]:
        allowed = ", ".join(sorted(CAUSES_OF[draft.verdict]))
        yield Finding("cause", f"{draft.cause} cannot stand with verdict {draft.verdict}; with it go {allowed}")
    yield from _find_quotes(draft, facts)
    for permission in draft.missing_permissions:
        if "*" in permission:
            yield Finding("missing_permissions", f"{permission!r} is a wildcard; name the one that was denied")
    if draft.fix and draft.verdict is Verdict.PERMISSION:
        for artifact in draft.fix.artifacts:
            for problem in find_faults(artifact, draft, facts):
                yield Finding("fix.artifacts", f"{artifact.title[:60]!r} {problem}")
        for title, problem in find_unproven(draft, facts):
            yield Finding("fix.artifacts", f"{title[:60]!r} {problem}")
    yield from _find_invented(draft, facts)
    about = facts.about(draft.resource)
    for field, prose in _prose(draft):
        for problem in find_bad_advice(prose, about):
            yield Finding(field, problem)


def _find_invented(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """A name that the event does not say becomes null; where the words of the answer use it, nulling is not enough."""
    for field in ("principal", "action", "resource"):
        name = getattr(draft, field)
        if not name or len(name) < _TELLING or MASK.search(name) or facts.mentions(name):
            continue
        used = next((where for where, prose in _prose(draft) if name in prose), None)
        if used:
            yield Finding(field, f"{name[:120]!r} stands in {used}, but the event does not name it")


def _find_quotes(draft: Draft, facts: Facts) -> Iterator[Finding]:
    if draft.verdict is not Verdict.UNKNOWN and not draft.evidence:
        yield Finding("evidence", "there is no quote; without words of the event there is no verdict")
    for quote in draft.evidence:
        if not quote.quote.strip() or quote.quote not in facts.text:
            yield Finding(
                "evidence", f"{quote.quote[:120]!r} does not stand in the event's text, character by character"
            )
    telling = [quote.quote for quote in draft.evidence if quote.field in {"verdict", "cause"}]
    if telling and all(_NO_WORDS.match(MASK.sub("", quote)) for quote in telling):
        yield Finding("evidence", "a mask hides a secret that was there; it does not prove a cause")


def _prose(draft: Draft) -> Iterator[tuple[str, str]]:
    yield from (("title", draft.title), ("explanation", draft.explanation))
    if draft.verify:
        yield "verify.expect", draft.verify.expect
    if draft.fix is None:
        return
    yield from (
        ("fix.summary", draft.fix.summary),
        ("fix.risk", draft.fix.risk or ""),
        ("fix.undo", draft.fix.undo or ""),
    )
    yield from (("fix.steps", step) for step in draft.fix.steps)
    yield from (("fix.artifacts", f"{artifact.title}. {artifact.apply}") for artifact in draft.fix.artifacts)


def _assemble(draft: Draft, facts: Facts, answer_id: str, produced_by: ByLLM) -> Answer:
    unknown = draft.verdict is Verdict.UNKNOWN
    permitted = draft.verdict is Verdict.PERMISSION
    return Answer(
        id=answer_id,
        verdict=draft.verdict,
        cause=draft.cause,
        system=draft.system if draft.system and _SYSTEM.match(draft.system) else None,
        title=_line(draft.title) or "No title",
        explanation=_clean(draft.explanation),
        principal=facts.exact(draft.principal),
        action=facts.exact(draft.action),
        resource=facts.exact(draft.resource),
        missing_permissions=tuple(_permissions(draft)) if permitted else (),
        confidence=Confidence.UNKNOWN if unknown else Confidence.LIKELY,
        evidence=tuple(_evidence(draft, facts)),
        fix=_fix(draft.fix, facts, with_artifacts=permitted) if draft.fix else None,
        verify=_verify(draft, facts),
        produced_by=produced_by,
    )


def _permissions(draft: Draft) -> Iterator[str]:
    for permission in dict.fromkeys(draft.missing_permissions):
        if (name := _line(permission)) and not MASK.search(name):
            yield name


def _evidence(draft: Draft, facts: Facts) -> Iterator[Evidence]:
    for quote in draft.evidence[:_QUOTES_MOST]:
        start = facts.text.index(quote.quote)
        end = start + min(len(quote.quote), _QUOTE_LONGEST)
        yield Evidence(quote=facts.text[start:end], start=start, end=end, field=quote.field)


def _fix(fix: DraftFix, facts: Facts, *, with_artifacts: bool) -> Fix:
    artifacts = [
        Artifact(
            kind=artifact.kind,
            title=_line(artifact.title),
            content=strip_control(artifact.content),
            placeholders=facts.placeholders(artifact),
            apply=_clean(artifact.apply),
        )
        for artifact in (fix.artifacts if with_artifacts else ())
    ]
    return Fix(
        summary=_clean(fix.summary),
        steps=tuple(_clean(step) for step in fix.steps),
        artifacts=tuple(artifacts),
        risk=_clean(fix.risk) if fix.risk and artifacts else None,
        undo=_clean(fix.undo) if fix.undo and artifacts else None,
    )


def _verify(draft: Draft, facts: Facts) -> Verify | None:
    if draft.verify is None or not is_read_only(draft.verify.command, facts):
        return None
    return Verify(command=_clean(draft.verify.command), expect=_clean(draft.verify.expect))


def _clean(text: str) -> str:
    return strip_control(text).strip()[:_TEXT]


def _line(text: str) -> str:
    return " ".join(strip_control(text).split())[:_LINE]
