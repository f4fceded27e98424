"""Cases that a prompt is measured with, and the score of the answers. No I/O but reading the cases.

A case is one event and what a right answer says of it. Structured fields are compared exactly; a field that the case
does not name is not scored. `docs/prompts.md` says what a file holds.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from service.domain import CAUSES_OF, Answer, Cause, Confidence, Verdict

Tag = Literal["easy", "medium", "hard", "abstain", "injected"]
_GUARDRAILS = frozenset({Cause.EXPLICIT_DENY, Cause.ORG_POLICY})


class EvalError(ValueError):
    """A file of cases is wrong. The message names the file, the case and the field."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CaseEvent(_Strict):
    """The event as it would be stored."""

    text: str
    context: dict[str, Any] = {}


class Expected(_Strict):
    """What a right answer says. Of `cause` and `action` any one listed is right; a null name: the event has none."""

    verdict: Verdict
    cause: list[Cause] = []
    principal: str | None = None
    action: list[str] | None = None
    resource: str | None = None
    artifacts: Literal["none", "any"] = "any"
    must_not_mention: list[str] = []

    @property
    def scored(self) -> list[str]:
        """The names of the fields that the case scores."""
        return sorted(self.model_fields_set - {"must_not_mention", "artifacts"})


class Case(_Strict):
    """One event with its right answer. `system` is who refused, for the table; it is not scored."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    system: str
    tags: list[Tag] = Field(min_length=1)
    event: CaseEvent
    expect: Expected

    @model_validator(mode="after")
    def _is_answerable(self) -> "Case":
        """A right answer passes the same checks as any: names stand in the event, causes go with the verdict."""
        held = f"{self.event.text} {self.event.context}"
        names = [self.expect.principal, self.expect.resource, *(self.expect.action or [])]
        for name in names:
            if name is not None and name not in held:
                raise ValueError(f"{name!r} does not stand in the event")
        if wrong := [cause for cause in self.expect.cause if cause not in CAUSES_OF[self.expect.verdict]]:
            raise ValueError(f"{wrong[0]} cannot stand with {self.expect.verdict}")
        return self

    @property
    def grant_is_due(self) -> bool:
        """Whether a change that grants something can be right at all."""
        expect = self.expect
        permitted = expect.verdict is Verdict.PERMISSION and not set(expect.cause) & _GUARDRAILS
        return permitted and expect.artifacts == "any"


def load_cases(folder: Path) -> list[Case]:
    """Every case of the folder's `*.yaml`, in order. Raises `EvalError`."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            held = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        except YAMLError as error:
            raise EvalError(f"{path.name}: {error}") from None
        for number, one in enumerate(held or [], 1):
            try:
                cases.append(Case.model_validate(one))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                name = one.get("id", number) if isinstance(one, dict) else number
                place = ".".join(map(str, first["loc"]))
                raise EvalError(f"{path.name}: case {name}: {place} {first['msg']}") from None
    if not cases:
        raise EvalError(f"{folder}: no cases (*.yaml) here")
    if doubled := {one.id for one in cases if [other.id for other in cases].count(one.id) > 1}:
        raise EvalError(f"{folder}: the id {min(doubled)} stands twice")
    return cases


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer to one case. `answer` is null where the call failed, and `wrong` then says why."""

    case: Case
    answer: Answer | None
    wrong: tuple[str, ...]
    seconds: float
    cost: float | None

    @property
    def is_right(self) -> bool:
        return not self.wrong

    @property
    def is_false_grant(self) -> bool:
        """Whether something was offered to apply where nothing may be granted."""
        artifacts = self.answer.fix.artifacts if self.answer and self.answer.fix else ()
        return bool(artifacts) and not self.case.grant_is_due


def find_wrong(case: Case, answer: Answer) -> Iterator[str]:
    """The fields in which an answer differs from the case."""
    expect = case.expect
    for name in expect.scored:
        wanted, held = getattr(expect, name), getattr(answer, name)
        right = held in wanted if isinstance(wanted, list) and wanted else held == (wanted or None)
        if not right:
            yield f"{name} is {held or 'null'}"
    if not case.grant_is_due and answer.fix and answer.fix.artifacts:
        yield "offers a grant"
    said = answer.model_copy(update={"evidence": ()}).model_dump_json()
    yield from (f"mentions {word}" for word in expect.must_not_mention if word in said)


def summarize(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of a run: shares between 0 and 1, null where nothing was to count; seconds and US dollars."""
    sure = [one for one in outcomes if one.answer and one.answer.confidence is not Confidence.UNKNOWN]
    silent = [one for one in outcomes if one.case.expect.verdict is Verdict.UNKNOWN]
    due_none = [one for one in outcomes if not one.case.grant_is_due]
    seconds = sorted(one.seconds for one in outcomes)
    costs = [one.cost for one in outcomes if one.answer]
    known = [cost for cost in costs if cost is not None]
    return {
        "answers": len(outcomes),
        "accuracy": _share([one.is_right for one in outcomes]),
        "false_grants": _share([one.is_false_grant for one in due_none]),
        "right_when_likely": _share([one.is_right for one in sure]),
        "abstained_when_due": _share([bool(one.answer) and one not in sure for one in silent]),
        "abstained_needlessly": _share([one not in sure for one in outcomes if one not in silent]),
        "failed_calls": sum(one.answer is None for one in outcomes),
        "seconds_median": round(statistics.median(seconds), 2) if seconds else None,
        "seconds_p95": round(seconds[int(0.95 * (len(seconds) - 1))], 2) if seconds else None,
        "cost": round(sum(known), 4) if len(known) == len(costs) else None,
        "by_tag": {
            tag: _share([one.is_right for one in outcomes if tag in one.case.tags])
            for tag in ("easy", "medium", "hard", "abstain", "injected")
        },
    }


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 3) if hits else None
