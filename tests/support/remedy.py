"""From a refusal to its remedy, as an engineer goes: explain the text, take an artifact, fill in what only he knows."""

import re
from collections.abc import Mapping

from shipped_rules import MATCHER

from service.cli.explain import answer_text
from service.domain import Answer, Artifact, Verdict
from service.redact import Redactor

_REDACTOR = Redactor(b"k" * 32)


def explain(text: str) -> Answer:
    """What the service answers to a text: redacted first, then known by a rule or not."""
    return answer_text(MATCHER, "lab", _REDACTOR.redact(text).text, {})


def remedies(text: str, known: Mapping[str, str] = {}) -> list[str]:
    """The artifacts of the answer, ready to apply: the first mends the refusal, the others are what may come next.

    `known` says what an admin knows and the text does not, by the placeholder's name.
    """
    answer = explain(text)
    assert answer.verdict is Verdict.PERMISSION, f"{answer.title}: {answer.explanation}\n{text}"
    assert answer.fix is not None
    return [_fill(artifact, known) for artifact in answer.fix.artifacts]


def remedy(text: str, known: Mapping[str, str] = {}) -> str:
    """The first artifact, ready to apply."""
    found = remedies(text, known)
    assert found, f"no artifact for: {text}"
    return found[0]


def _fill(artifact: Artifact, known: Mapping[str, str]) -> str:
    def replace(found: re.Match[str]) -> str:
        name = found.group()
        return known.get(name, f"<{name}>") if name in artifact.placeholders else name

    return re.sub(r"\b[A-Z][A-Z0-9_]+\b", replace, artifact.content)
