"""The proof of every rule: what `whydenied rules check` and `make check` run. Each finding is one issue."""

import json
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import re2
from jinja2 import TemplateSyntaxError, meta
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from service.domain import Answer, Artifact, ArtifactKind, Cause
from service.match.answer import DENIAL, Match, build_match
from service.match.index import LiteralIndex
from service.match.lean import lean_problems
from service.match.literals import conditions_of
from service.match.matcher import Candidate, Matcher, ReadyRule, choose
from service.match.pattern import compile_pattern, reason_of
from service.match.tidy import tidy
from service.proof.checker import find_excess, prove_answer
from service.render import MISSING, TemplateFault, environment, is_plain
from service.rules.model import Example

_ANSWER_FIELDS = ("principal", "action", "resource", "system", "missing_permissions")
_MOST_PASSED, _EVERY = 0.1, 6
_GUARDRAILS = frozenset({Cause.EXPLICIT_DENY, Cause.ORG_POLICY})


@dataclass(frozen=True)
class Finding:
    """One problem of one rule, with what to do about it."""

    rule: str
    problem: str

    def __str__(self) -> str:
        return f"{self.rule.split('.')[0]}.yaml {self.rule}: {self.problem}"


def check_rules(matcher: Matcher, clean_texts: Mapping[str, str], only: str | None = None) -> list[Finding]:
    """Every finding about the rules; `only` is a system or a rule id. No rule may know a line of `clean_texts`."""
    chosen = [r for r in matcher.rules.values() if only in {None, r.rule.id, r.pack.system}]
    findings: list[Finding] = []
    for ready in chosen:
        broken = [Finding(ready.rule.id, problem) for problem in _static_problems(ready)]
        findings += broken or [Finding(ready.rule.id, problem) for problem in _proof_problems(matcher, ready)]
    names = {ready.rule.id for ready in chosen}
    findings += [f for f in _clean_problems(matcher, clean_texts) if f.rule in names]
    some = [line.lower() for text in clean_texts.values() for line in text.splitlines()][::_EVERY]
    findings += [Finding(r.rule.id, problem) for r in chosen for problem in _literal_problems(r, some)]
    if only is not None:
        findings += _foreign_problems(matcher, names)
    return findings


def _foreign_problems(matcher: Matcher, names: Set[str]) -> Iterator[Finding]:
    """What the full check would say of other rules' examples, because these rules match them."""
    for ready in matcher.rules.values():
        if ready.rule.id in names:
            continue
        for number, example in enumerate(ready.rule.examples, 1):
            for rival in _rivals(ready, matcher.candidates(tidy(example.text), example.context)):
                if rival.rule.id in names:
                    problem = f"matches example {number} of {ready.rule.id} too: one of them must supersede the other"
                    yield Finding(rival.rule.id, problem)


def _static_problems(ready: ReadyRule) -> Iterator[str]:
    for check in (_check_vetoes, _check_templates, _check_references, _check_supersedes):
        yield from check(ready)


def _check_vetoes(ready: ReadyRule) -> Iterator[str]:
    lookups = (x if isinstance(x, str) else x.pattern for xs in ready.rule.extract.values() for x in xs)
    conditions = (c.matches for c in ready.rule.when.values() if not isinstance(c, list))
    for pattern in (*ready.rule.unless, *lookups, *conditions):
        try:
            compile_pattern(pattern)
        except re2.error as error:
            yield f"pattern {pattern!r}: {reason_of(error)}"


def _check_templates(ready: ReadyRule) -> Iterator[str]:
    known = {*ready.capture_names, *ready.pack.tables, "context", "placeholder"}
    templates = ((where, kind, source) for where, kind, source in templates_of(ready) if not is_plain(source))
    for where, kind, source in templates:
        try:
            used = meta.find_undeclared_variables(environment(kind, ready.pack.sql_dialect).parse(source))
        except TemplateSyntaxError as error:
            yield f"{where}: {error}"
            continue
        for name in sorted(used - known):
            near = get_close_matches(name, known, 1)
            yield f"{where}: capture {name!r} is not known" + (f"; did you mean {near[0]!r}?" if near else "")


def templates_of(ready: ReadyRule) -> Iterator[tuple[str, ArtifactKind | None, str]]:
    """Every template of a rule: where it stands, the kind it is written in (None: prose), its source."""
    rule = ready.rule
    for name in ("title", "explanation", "principal", "action", "resource", "answers_as"):
        if (source := getattr(rule, name)) is not None:
            yield name, None, source
    for number, source in enumerate(rule.missing_permissions, 1):
        yield f"missing_permissions {number}", None, source
    for name in ("summary", "risk", "undo"):
        if (source := getattr(rule.fix, name)) is not None:
            yield f"fix.{name}", None, source
    for number, source in enumerate(rule.fix.steps, 1):
        yield f"fix.steps {number}", None, source
    for number, artifact in enumerate(rule.fix.artifacts, 1):
        yield f"artifact {number} title", None, artifact.title
        yield f"artifact {number} apply", None, artifact.apply
        yield f"artifact {number} content", artifact.kind, artifact.content
    if rule.verify is not None:
        yield "verify.command", ArtifactKind.SHELL, rule.verify.command
        yield "verify.expect", None, rule.verify.expect
    for name, expression in rule.derive.items():
        yield f"derive.{name}", None, "{{ " + expression + " }}"


def _check_references(ready: ReadyRule) -> Iterator[str]:
    for reference in ready.rule.references:
        if not reference.startswith("https://"):
            yield f"reference {reference!r} must be an https:// page of the vendor"


def _check_supersedes(ready: ReadyRule) -> Iterator[str]:
    if ready.rule.id in ready.rule.supersedes:
        yield "a rule cannot supersede itself"
    if ready.rule.cause in _GUARDRAILS and ready.rule.fix.artifacts:
        yield f"a {ready.rule.cause} takes no artifact: say who owns the guardrail and what the request could change"


def _proof_problems(matcher: Matcher, ready: ReadyRule) -> Iterator[str]:
    for number, example in enumerate(ready.rule.examples, 1):
        for problem in _example_problems(matcher, ready, example):
            yield f"example {number}: {problem}"
    for number, counter in enumerate(ready.rule.counterexamples, 1):
        if any(c.ready is ready for c in matcher.candidates(tidy(counter.text), counter.context)):
            yield f"counterexample {number} is matched ({counter.why}); narrow the pattern or add `unless`"


def _example_problems(matcher: Matcher, ready: ReadyRule, example: Example) -> Iterator[str]:
    view = tidy(example.text)
    candidates = matcher.candidates(view, example.context)
    own = next((c for c in candidates if c.ready is ready), None)
    if own is None:
        yield "is not matched by its own rule; try `whydenied rules try`"
        return
    yield from _rival_problems(ready, own, candidates)
    try:
        match = build_match(ready, own.found, view, example.context, strict=True)
        answer = match.render_answer("example")
    except TemplateFault as error:
        yield f"does not render: {error}"
        return
    yield from _difference_problems(example, match, answer)
    yield from _answer_problems(answer, example.text)
    yield from lean_problems(match, own.alternative)


def _rival_problems(ready: ReadyRule, own: Candidate, candidates: list[Candidate]) -> Iterator[str]:
    winner = choose(candidates)
    if winner is not own and winner is not None:
        yield f"is won by {winner.ready.rule.id}; narrow one of them or supersede it"
    for rival in _rivals(ready, candidates):
        yield f"is matched by {rival.rule.id} too: one of them must supersede the other"


def _rivals(ready: ReadyRule, candidates: list[Candidate]) -> Iterator[ReadyRule]:
    """The other rules of its layer that match its text, where neither supersedes the other."""
    for other in (candidate.ready for candidate in candidates):
        same_layer = other.is_general == ready.is_general
        if other is not ready and same_layer and not ready.beats(other) and not other.beats(ready):
            yield other


def _difference_problems(example: Example, match: Match, answer: Answer) -> Iterator[str]:
    for name, wanted in example.expect.items():
        if name in _ANSWER_FIELDS:
            held = getattr(answer, name)
            held = list(held) if isinstance(held, tuple) else held
        elif name in match.captures:
            held = match.captures[name]
        else:
            yield f"expects {name!r}, which is no field of the answer and no capture"
            continue
        if held != wanted:
            yield f"{name} is {held!r}, expected {wanted!r}"


def _answer_problems(answer: Answer, text: str) -> Iterator[str]:
    for evidence in answer.evidence:
        if text[evidence.start : evidence.end] != evidence.quote:
            yield f"evidence {evidence.field} does not stand at its offsets"
    if not any(e.field == DENIAL for e in answer.evidence):
        yield "has no evidence"
    if MISSING in answer.model_dump_json():
        yield f"writes {MISSING}: guard the value with {{% if %}} or use | placeholder"
    for artifact, proof in zip(answer.fix.artifacts if answer.fix else (), prove_answer(answer, text), strict=True):
        yield from artifact_problems(artifact)
        yield from (f"artifact {artifact.title!r} {fault}" for fault in proof.faults)


def artifact_problems(artifact: Artifact) -> Iterator[str]:
    """What is wrong with a rendered artifact: too broad, or not in its language."""
    for reason in find_excess(artifact.kind, artifact.content):
        yield f"artifact {artifact.title!r} {reason}"
    parse = _SYNTAX.get(artifact.kind)
    problem = parse(artifact.content) if parse else None
    if problem:
        yield f"artifact {artifact.title!r} is not valid {artifact.kind}: {problem}"


def _json_problem(content: str) -> str | None:
    try:
        json.loads(content)
    except ValueError as error:
        return str(error)
    return None


def _yaml_problem(content: str) -> str | None:
    try:
        list(YAML(typ="safe").load_all(content))
    except YAMLError as error:
        return str(error)
    return None


_SYNTAX: dict[ArtifactKind, Callable[[str], str | None]] = {
    ArtifactKind.JSON_POLICY: _json_problem,
    ArtifactKind.MANIFEST: _yaml_problem,
}


def _clean_problems(matcher: Matcher, clean_texts: Mapping[str, str]) -> Iterator[Finding]:
    for name, text in clean_texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            for candidate in matcher.candidates(tidy(line), {}):
                yield Finding(candidate.ready.rule.id, f"fires on the clean log {name}:{number}: {line[:120]!r}")


def _literal_problems(ready: ReadyRule, lines: list[str]) -> Iterator[str]:
    """A pattern without a rare literal has to be tried on almost every text; the index in front is for nothing."""
    for number, alternative in enumerate(ready.alternatives, 1):
        index = LiteralIndex([conditions_of(alternative.text)])
        passed = sum(bool(index.possible(line)) for line in lines)
        if passed > _MOST_PASSED * len(lines):
            share = f"{passed} of {len(lines)} clean lines hold the literals of pattern {number}"
            yield f"{share}: give each of its alternatives a literal of 4 letters or more that is rare"


def read_clean_texts(folder: Path) -> dict[str, str]:
    """The clean corpus: logs of healthy systems and texts that only mention permissions. Name to text."""
    return {path.name: path.read_text() for path in sorted(folder.glob("*.txt"))}
