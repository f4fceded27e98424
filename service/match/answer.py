"""From a matched rule to captures, and from captures to the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from service.domain import (
    Answer,
    Artifact,
    ArtifactKind,
    ByRule,
    Cause,
    Confidence,
    Evidence,
    Fix,
    Verdict,
    Verify,
)
from service.match.pattern import compile_pattern
from service.match.tidy import View
from service.proof.terraform import twin_of
from service.render import (
    MISSING,
    TemplateFault,
    UnsafeValue,
    evaluate,
    evaluate_in_turn,
    render,
    render_with_placeholders,
    strip_control,
)
from service.rules.model import ArtifactTemplate, Lookup, Pack, Rule

if TYPE_CHECKING:
    from service.match.matcher import ReadyRule

_MAX_CAPTURE = 512
_MAX_QUOTE = 2_000
DENIAL = "denial"


@dataclass(frozen=True)
class Match:
    """One text known by one rule: the captures, where they stand, and the answer that follows from them."""

    ready: "ReadyRule"
    view: View
    context: Mapping[str, Any]
    captures: Mapping[str, Any]
    spans: Mapping[str, tuple[int, int]]

    @property
    def rule(self) -> Rule:
        return self.ready.rule

    @property
    def version(self) -> str:
        return self.ready.version

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.rule.verdict)

    @property
    def cause(self) -> Cause:
        return self.rule.cause

    @property
    def is_general(self) -> bool:
        """A shape of no particular system: the answer stands until a model or a person gives a better one."""
        return self.ready.is_general

    @cached_property
    def captured(self) -> dict[str, Any]:
        """What the templates of principal, action and resource see: tables, captures (absent ones None), context."""
        return {**self.ready.pack.tables, **self.captures, "context": dict(self.context)}

    @cached_property
    def values(self) -> dict[str, Any]:
        """What every other template sees: the same, with principal, action and resource as the answer has them."""
        fields = {"principal": self.principal, "action": self.action, "resource": self.resource}
        return {**self.captured, **fields}

    @cached_property
    def system(self) -> str:
        return self._text(self.rule.answers_as) or self.ready.pack.system

    @cached_property
    def title(self) -> str:
        """One line for a person."""
        try:
            return self.prose(self.rule.title)
        except TemplateFault:
            return f"{self.cause.value.replace('_', ' ').capitalize()} ({self.rule.id})"

    @cached_property
    def principal(self) -> str | None:
        return self._field("principal", self.rule.principal)

    @cached_property
    def action(self) -> str | None:
        return self._field("action", self.rule.action)

    @cached_property
    def resource(self) -> str | None:
        return self._field("resource", self.rule.resource)

    def answer(self, answer_id: str) -> Answer:
        """The whole answer of the contract; a bare one where the rule's own templates fail on this text."""
        try:
            return self.render_answer(answer_id)
        except TemplateFault as fault:
            return self._bare_answer(answer_id, fault)

    def _bare_answer(self, answer_id: str, fault: TemplateFault) -> Answer:
        rule = self.rule
        return Answer(
            id=answer_id,
            verdict=self.verdict,
            cause=rule.cause,
            system=self.ready.pack.system,
            title=self.title,
            explanation=f"The rule knows this text but could not write its answer: {fault}",
            confidence=Confidence.LIKELY,
            evidence=self.evidence(),
            references=rule.references,
            produced_by=ByRule(rule=rule.id, version=self.version),
        )

    def render_answer(self, answer_id: str) -> Answer:
        """Like `answer`, but raises `TemplateFault`: the rule checks want to know."""
        rule = self.rule
        return Answer(
            id=answer_id,
            verdict=self.verdict,
            cause=rule.cause,
            system=self.system,
            title=self.prose(rule.title),
            explanation=self.prose(rule.explanation),
            principal=self.principal,
            action=self.action,
            resource=self.resource,
            missing_permissions=self._permissions(),
            confidence=rule.confidence,
            evidence=self.evidence(),
            fix=self._fix(),
            verify=self._verify(),
            references=rule.references,
            produced_by=ByRule(rule=rule.id, version=self.version),
        )

    def evidence(self) -> tuple[Evidence, ...]:
        """The matched sentence and each capture in it, quoted from the text as it was sent."""
        quotes = []
        for name, (start, end) in self.spans.items():
            begin, stop = self.view.origin_span(start, end)
            stop = min(stop, begin + _MAX_QUOTE)
            quotes.append(Evidence(quote=self.view.original[begin:stop], start=begin, end=stop, field=name))
        return tuple(quotes)

    def prose(self, source: str) -> str:
        """A prose template rendered, on one line. Raises `TemplateFault`."""
        return " ".join(render(None, source, self.values).split())

    def _text(self, source: str | None) -> str | None:
        return (self.prose(source) or None) if source is not None else None

    def _field(self, name: str, source: str | None) -> str | None:
        if source is not None:
            return _stated(" ".join(render(None, source, self.captured).split()))
        held = self.captures.get(name)
        return str(held) if held not in (None, "") else None

    def _permissions(self) -> tuple[str, ...]:
        named = (_stated(self._text(source)) for source in self.rule.missing_permissions)
        return tuple(dict.fromkeys(name for name in named if name))

    def _fix(self) -> Fix:
        template = self.rule.fix
        artifacts, dropped = self._artifacts()
        steps = tuple(step for step in map(self.prose, template.steps) if step)
        return Fix(
            summary=self.prose(template.summary),
            steps=steps + tuple(dropped),
            artifacts=tuple(artifacts),
            risk=self._text(template.risk),
            undo=self._text(template.undo),
        )

    def _artifacts(self) -> tuple[list[Artifact], list[str]]:
        artifacts, dropped = [], []
        for template in self.rule.fix.artifacts:
            if template.when is not None and not evaluate(template.when, self.values):
                continue
            try:
                artifacts.append(self._artifact(template))
            except UnsafeValue as error:
                dropped.append(f"No ready-made {template.kind}: {error}. Write it by hand.")
        return artifacts + self._terraform_of(artifacts), dropped

    def _terraform_of(self, artifacts: list[Artifact]) -> list[Artifact]:
        """Each AWS policy once more as Terraform: many who may change a policy may do so only there."""
        if not self.system.startswith("aws"):
            return []
        policies = (one for one in artifacts if one.kind is ArtifactKind.JSON_POLICY)
        return [twin for one in policies if (twin := twin_of(one, self.principal, self.cause))]

    def _artifact(self, template: ArtifactTemplate) -> Artifact:
        dialect = self.ready.pack.sql_dialect
        content, placeholders = render_with_placeholders(template.kind, template.content, self.values, dialect)
        return Artifact(
            kind=template.kind,
            title=self.prose(template.title),
            content=content.strip("\n"),
            placeholders=placeholders,
            apply=self.prose(template.apply),
        )

    def _verify(self) -> Verify | None:
        template = self.rule.verify
        if template is None:
            return None
        try:
            command = render(ArtifactKind.SHELL, template.command, self.values)
        except UnsafeValue:
            return None
        return Verify(command=command.strip(), expect=self.prose(template.expect))


def build_match(
    ready: "ReadyRule", found: Any, view: View, context: Mapping[str, Any], *, strict: bool = False
) -> Match:
    """Captures of a found pattern, then extractors, then derived values, in the rule's order.

    A derivation that fails on this text gives None; when `strict`, it raises `TemplateFault`.
    """
    captures: dict[str, Any] = dict.fromkeys(ready.capture_names)
    spans = {DENIAL: found.span()}
    for name, index in found.re.groupindex.items():
        if found.group(index):
            spans[name] = found.span(index)
            captures[name] = _clean(found.group(index))
    for name, lookups in ready.rule.extract.items():
        if captures[name] is None:
            captures[name] = _extract(name, lookups, captures, spans, view, context)
    captures |= derive_values(ready.rule, ready.pack, captures, context, strict=strict)
    return Match(ready, view, context, captures, spans)


def _stated(value: str | None) -> str | None:
    """None for a value that leans on a capture which the text did not give."""
    return value if value and MISSING not in value else None


def derive_values(
    rule: Rule, pack: Pack, captures: Mapping[str, Any], context: Mapping[str, Any], *, strict: bool
) -> dict[str, Any]:
    """The values of the rule's `derive`; one that fails is None, or raises `TemplateFault` when `strict`."""
    if not rule.derive:
        return {}
    expressions, values = rule.derive, {**pack.tables, **captures, "context": dict(context)}
    try:
        return evaluate_in_turn(tuple(expressions.items()), values)
    except TemplateFault:
        if strict:
            raise
    held = dict(values)
    for name, expression in expressions.items():
        held[name] = _derive_alone(expression, held)
    return {name: held[name] for name in expressions}


def _derive_alone(expression: str, values: Mapping[str, Any]) -> Any:
    try:
        held = evaluate(expression, values)
    except TemplateFault:
        return None
    return held if held != "" else None


def _extract(
    name: str,
    lookups: tuple[str | Lookup, ...],
    captures: Mapping[str, Any],
    spans: dict[str, tuple[int, int]],
    view: View,
    context: Mapping[str, Any],
) -> str | None:
    for lookup in lookups:
        pattern, within = (lookup, "text") if isinstance(lookup, str) else (lookup.pattern, lookup.within)
        haystack = _haystack(within, captures, view, context)
        found = compile_pattern(pattern).search(haystack) if haystack else None
        if not found:
            continue
        group = found.re.groupindex.get(name, 1 if found.re.groups else 0)
        if found.group(group):
            if within == "text":
                spans[name] = found.span(group)
            return _clean(found.group(group))
    return None


def _haystack(within: str, captures: Mapping[str, Any], view: View, context: Mapping[str, Any]) -> str | None:
    if within == "text":
        return view.text
    field = within.removeprefix("context.")
    held = captures.get(within) if field == within else context.get(field)
    return str(held) if held is not None else None


def _clean(value: str) -> str | None:
    return strip_control(" ".join(value.split()))[:_MAX_CAPTURE] or None
