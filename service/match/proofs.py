"""Every artifact of every rule's examples, put before its checker."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.match.answer import build_match
from service.match.matcher import Matcher, ReadyRule
from service.match.tidy import tidy
from service.proof.checker import prove_answer
from service.proof.claim import Outcome, Proof
from service.render import TemplateFault
from service.rules.model import Example


@dataclass(frozen=True)
class ExampleProof:
    """What a checker says about one artifact of one example; numbers start at 1."""

    rule: str
    example: int
    title: str
    proof: Proof


def prove_examples(matcher: Matcher, only: str | None = None) -> Iterator[ExampleProof]:
    """The proofs of all rules; `only` is a system or a rule id. Examples that do not render are left out."""
    for ready in matcher.rules.values():
        if ready.rule.fix.artifacts and only in {None, ready.rule.id, ready.pack.system}:
            for number, example in enumerate(ready.rule.examples, 1):
                yield from _prove_example(ready, number, example)


def count_proofs(proofs: Iterable[ExampleProof]) -> Iterator[str]:
    """A line for each family of artifacts: how many, how many proven to grant, why the checker abstains on others."""
    families: dict[str, Counter[Outcome]] = {}
    for one in proofs:
        families.setdefault(one.proof.family, Counter())[one.proof.outcome] += 1
    for family, counted in sorted(families.items()):
        said = ", ".join(f"{counted[outcome]} {outcome}" for outcome in Outcome if counted[outcome])
        yield f"{family + ':':<24}{counted.total():>4} artifacts, {said}"


def _prove_example(ready: ReadyRule, number: int, example: Example) -> Iterator[ExampleProof]:
    view = tidy(example.text)
    found = next(filter(None, (one.exact.search(view.text) for one in ready.alternatives)), None)
    if found is None:
        return
    try:
        answer = build_match(ready, found, view, example.context).render_answer("example")
    except TemplateFault:
        return
    artifacts = answer.fix.artifacts if answer.fix else ()
    for artifact, proof in zip(artifacts, prove_answer(answer, view.text), strict=True):
        yield ExampleProof(ready.rule.id, number, artifact.title, proof)
