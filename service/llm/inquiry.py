"""What is asked about one failure: the event, what may stand beside it, and both requests that follow from them.

The first request is the prompt `root_cause`. Where its answer does not stand up to the event, `second_opinion` is asked
once, with that answer and what was wrong with it. Both have one system part, so that a provider's cache serves both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.domain import Answer, ByLLM, Confidence, Verdict
from service.llm.base import Completion
from service.llm.draft import Draft
from service.prompt.model import Prompt, PromptError, Rendered

FIRST, SECOND = "root_cause", "second_opinion"
_HEAD, _TAIL, _EXCERPT = 8_000, 16_000, 600
_CUT = "\n[... {} characters left out ...]\n"
_FACTS = {"verdict", "cause", "system", "principal", "action", "resource", "missing_permissions"}


@dataclass(frozen=True)
class Prompts:
    """The two prompts of an analysis."""

    first: Prompt
    second: Prompt

    @classmethod
    def of(cls, prompts: Mapping[str, Prompt]) -> "Prompts":
        """Pick them. Raises `PromptError` naming the one that is missing."""
        for name in (FIRST, SECOND):
            if name not in prompts:
                raise PromptError(f"there is no {name}.md among the prompts")
        return cls(prompts[FIRST], prompts[SECOND])

    def called(self, name: str) -> Prompt:
        """The prompt of this name."""
        return self.second if name == SECOND else self.first


@dataclass(frozen=True)
class Inquiry:
    """One failure as a model is told of it. `reading` is a general rule's, `approved` are reviewed failures like it."""

    text: str
    context: Mapping[str, Any]
    approved: Sequence[Mapping[str, Any]] = field(default_factory=list)
    reading: Mapping[str, Any] | None = None

    def first_request(self, prompts: Prompts) -> Rendered:
        """The request of the first call."""
        return prompts.first.render(**self._inputs())

    def second_request(self, prompts: Prompts, refused: Mapping[str, Any], findings: Sequence[str]) -> Rendered:
        """The request of the second call: `refused` is the first draft as plain data, `findings` say what is wrong."""
        return prompts.second.render(**self._inputs(), answer=dict(refused), findings=list(findings))

    def _inputs(self) -> dict[str, Any]:
        event = {"text": _shorten(self.text), "context": dict(self.context)}
        reading = dict(self.reading) if self.reading else None
        return {"event": event, "approved": [dict(one) for one in self.approved], "reading": reading}


def example_of(text: str, answer: Answer) -> dict[str, Any]:
    """A reviewed failure as a prompt shows it: the start of its text, its facts, and the change in one line."""
    return {"event": text[:_EXCERPT], "answer": _facts(answer) | ({"fix": answer.fix.summary} if answer.fix else {})}


def reading_of(answer: Answer) -> dict[str, Any]:
    """A general rule's answer as a prompt shows it."""
    return {"title": answer.title, **_facts(answer)}


def add_up(spent: Mapping[str, Any] | None, completion: Completion[Draft], cost: float | None) -> dict[str, Any]:
    """The fields of `ByLLM` that count, over every call that led to an answer. `cost` of the last one, in dollars."""
    before = spent or {"input_tokens": 0, "output_tokens": 0, "cost": 0.0, "latency": 0.0}
    return {
        "provider": completion.provider,
        "model": completion.model,
        "input_tokens": before["input_tokens"] + completion.usage.input,
        "output_tokens": before["output_tokens"] + completion.usage.output,
        "cost": None if cost is None or before["cost"] is None else round(before["cost"] + cost, 6),
        "latency": round(before["latency"] + completion.latency, 3),
    }


def withheld(answer_id: str, by: ByLLM) -> Answer:
    """The answer that stands for one that did not stand up to the event: it claims nothing."""
    return Answer(
        id=answer_id,
        verdict=Verdict.UNKNOWN,
        cause=None,
        system=None,
        title="The model's answer did not stand up to the event",
        explanation="The model answered, but claimed more than the event says or proposed more than was denied. "
        "Its answer is not shown. An engineer has to look at the event.",
        confidence=Confidence.UNKNOWN,
        produced_by=by,
    )


def _facts(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.model_dump(mode="json", include=_FACTS).items() if value}


def _shorten(text: str) -> str:
    if len(text) <= _HEAD + _TAIL:
        return text
    return text[:_HEAD] + _CUT.format(len(text) - _HEAD - _TAIL) + text[-_TAIL:]
