"""The steps of one analysis: ask, record, give up. Each takes and returns plain JSON values, for the job tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Engine

from service.domain import Answer, ByLLM, Confidence, Verdict
from service.llm.base import Completion, LLMError, Usage
from service.llm.draft import Draft
from service.llm.grounding import ground
from service.llm.pricing import price_call
from service.prompt.model import Prompt
from service.store.ids import new_id
from service.worker.calls import Calls
from service.worker.ledger import Question, keep_answer, load_event, load_precedents, load_question, set_states
from service.worker.similar import pick_similar

_HEAD, _TAIL = 8_000, 16_000
_CUT = "\n[... {} characters left out ...]\n"
_PRECEDENTS_READ, _PRECEDENTS_SHOWN = 200, 3
_TITLE = "The model's answer did not stand up to the event"

_GONE = "No event of this failure is kept any more, so there is nothing to show a model."

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as metrics count it. `outcome`: answered or failed; `seconds` and `cost` where there was an answer."""

    model: str
    outcome: str
    usage: Usage | None
    cost: float | None
    seconds: float | None


class Analysis:
    """What a job does about one failure. `observe` hears of every call."""

    def __init__(self, engine: Engine, calls: Calls, prompt: Prompt, observe: Callable[[CallRecord], None]) -> None:
        self._engine = engine
        self._calls = calls
        self._prompt = prompt
        self._observe = observe

    def ask(self, failure_id: str, findings: list[str], spent: dict[str, Any] | None) -> dict[str, Any]:
        """Put the failure's newest event before the model. `spent` is what earlier calls for this answer cost.

        Returns one of `{"gone"}`, `{"error"}` and `{"draft", "event", "spent"}`.
        """
        with self._engine.connect() as conn:
            question = load_question(conn, failure_id)
            precedents = load_precedents(conn, _PRECEDENTS_READ) if question else []
        with self._engine.begin() as conn:
            set_states(conn, [failure_id], "running" if question else "failed", None if question else _GONE)
        if question is None:
            return {"gone": True}
        approved = pick_similar(question.text, precedents, _PRECEDENTS_SHOWN)
        prompt = self._prompt.render(event=_shown(question), approved=approved, findings=findings)
        try:
            completion = self._calls.call(prompt)
        except LLMError as error:
            self._observe(CallRecord(self._calls.provider.model, "failed", None, None, None))
            return {"error": _plain(error)}
        cost = price_call(completion.model, completion.usage)
        self._observe(CallRecord(completion.model, "answered", completion.usage, cost, completion.latency))
        return {
            "event": question.event_id,
            "draft": completion.draft.model_dump(mode="json"),
            "spent": _add_up(spent, completion, cost),
        }

    def record(self, failure_id: str, asked: Mapping[str, Any], final: bool) -> list[str]:
        """Store what the event proves of a draft. Returns what was wrong with it where another call may do better."""
        with self._engine.connect() as conn:
            event = load_event(conn, asked["event"])
        if event is None:
            return []
        by = ByLLM(prompt=self._prompt.head.name, prompt_version=self._prompt.version, **asked["spent"])
        draft = Draft.model_validate(asked["draft"])
        answer = ground(draft, *event, answer_id=new_id(), produced_by=by)
        refused = isinstance(answer, list)
        findings = [str(finding) for finding in answer] if isinstance(answer, list) else []
        if findings and not final:
            return findings
        note = "Not shown, because: " + "; ".join(findings) if findings else None
        with self._engine.begin() as conn:
            keep_answer(conn, failure_id, asked["event"], _refusal(by) if isinstance(answer, list) else answer, note)
        _log.info("failure analysed", failure=failure_id, model=by.model, refused=refused, cost=by.cost)
        return []

    def settle(self, failure_id: str, state: str, note: str) -> None:
        """Say for people why there is no answer yet."""
        with self._engine.begin() as conn:
            set_states(conn, [failure_id], state, note)
        _log.warning("failure not analysed", failure=failure_id, state=state, reason=note)


def _shown(question: Question) -> dict[str, Any]:
    text = question.text
    if len(text) > _HEAD + _TAIL:
        text = text[:_HEAD] + _CUT.format(len(text) - _HEAD - _TAIL) + text[-_TAIL:]
    return {"text": text, "context": question.context}


def _plain(error: LLMError) -> dict[str, Any]:
    return {
        "message": error.message,
        "permanent": error.permanent,
        "retry_after": error.retry_after,
        "account": error.account,
        "billed": error.billed,
    }


def _add_up(spent: dict[str, Any] | None, completion: Completion[Draft], cost: float | None) -> dict[str, Any]:
    """The fields of `ByLLM` that count, over every call that led to an answer."""
    before = spent or {"input_tokens": 0, "output_tokens": 0, "cost": 0.0, "latency": 0.0}
    return {
        "provider": completion.provider,
        "model": completion.model,
        "input_tokens": before["input_tokens"] + completion.usage.input,
        "output_tokens": before["output_tokens"] + completion.usage.output,
        "cost": None if cost is None or before["cost"] is None else round(before["cost"] + cost, 6),
        "latency": round(before["latency"] + completion.latency, 3),
    }


def _refusal(by: ByLLM) -> Answer:
    return Answer(
        id=new_id(),
        verdict=Verdict.UNKNOWN,
        cause=None,
        system=None,
        title=_TITLE,
        explanation="The model answered, but claimed more than the event says or proposed more than was denied. "
        "Its answer is not shown. An engineer has to look at the event.",
        confidence=Confidence.UNKNOWN,
        produced_by=by,
    )
