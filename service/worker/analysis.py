"""The steps of one analysis: ask, record, give up. Each takes and returns plain JSON values, for the job tables."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Engine

from service.domain import ByLLM
from service.llm.base import LLMError
from service.llm.draft import Draft
from service.llm.grounding import ground
from service.llm.inquiry import Inquiry, Prompts, add_up, reading_of, withheld
from service.prompt.model import Rendered
from service.render import strip_control
from service.store.ids import new_id
from service.store.requests import keep_findings
from service.store.spending import close_call
from service.worker.asking import Asking, Held
from service.worker.ledger import Question, keep_answer, load_event, load_question, set_states
from service.worker.similar import Precedents

_EXAMPLES_SHOWN = 3

_GONE = "No event of this failure is kept any more, so there is nothing to show a model."

_log = structlog.get_logger(__name__)


class Analysis:
    """What a job does about one failure."""

    def __init__(self, engine: Engine, asking: Asking, prompts: Prompts) -> None:
        self._engine = engine
        self._asking = asking
        self._prompts = prompts
        self._precedents = Precedents()

    def ask(self, failure_id: str, refused: dict[str, Any] | None) -> dict[str, Any]:
        """Put the failure's newest event before the model.

        `refused` is what this gave before, with the `findings` about it. Returns one of `{"gone"}`, `{"held"}`,
        `{"error"}` and `{"prompt", "draft", "event", "bill", "spent"}`.
        """
        with self._engine.connect() as conn:
            question = load_question(conn, failure_id)
            approved = self._precedents.find(conn, question.text, _EXAMPLES_SHOWN) if question else []
        if question is None:
            self.settle(failure_id, "failed", _GONE)
            return {"gone": True}
        prompt = self._request(question, approved, refused)
        try:
            answered = self._asking.ask(prompt, failure_id)
        except Held as held:
            return {"held": {"state": held.hold.state, "reason": held.hold.reason}}
        except LLMError as error:
            return {"error": _plain(error)}
        return {
            "prompt": prompt.name,
            "event": question.event_id,
            "draft": answered.completion.draft.model_dump(mode="json"),
            "bill": answered.bill,
            "spent": add_up(refused["spent"] if refused else None, answered.completion, answered.cost),
        }

    def _request(self, question: Question, approved: list[dict[str, Any]], refused: dict[str, Any] | None) -> Rendered:
        reading = reading_of(question.reading) if question.reading else None
        inquiry = Inquiry(question.text, question.context, approved, reading)
        if refused is None:
            return inquiry.first_request(self._prompts)
        return inquiry.second_request(self._prompts, refused["draft"], refused["findings"])

    def record(self, failure_id: str, asked: Mapping[str, Any], final: bool) -> list[str]:
        """Store what the event proves of a draft. Returns what was wrong with it where another call may do better."""
        with self._engine.connect() as conn:
            event = load_event(conn, asked["event"])
        if event is None:
            return []
        prompt = self._prompts.called(asked["prompt"])
        by = ByLLM(prompt=prompt.head.name, prompt_version=prompt.version, **asked["spent"])
        draft = Draft.model_validate(asked["draft"])
        grounded = ground(draft, *event, answer_id=new_id(), produced_by=by)
        findings = [str(finding) for finding in grounded] if isinstance(grounded, list) else []
        if findings and not final:
            with self._engine.begin() as conn:
                close_call(conn, **asked["bill"])
                keep_findings(conn, asked["bill"]["call_id"], findings)
            return findings
        note = strip_control("Not shown, because: " + "; ".join(findings)) if findings else None
        answer = withheld(new_id(), by) if isinstance(grounded, list) else grounded
        with self._engine.begin() as conn:
            close_call(conn, **asked["bill"])
            keep_findings(conn, asked["bill"]["call_id"], findings)
            keep_answer(conn, failure_id, asked["event"], answer, note)
        _log.info("failure analysed", failure=failure_id, model=by.model, refused=bool(findings), cost=by.cost)
        return []

    def settle(self, failure_id: str, state: str, note: str) -> None:
        """Say for people why there is no answer yet."""
        with self._engine.begin() as conn:
            set_states(conn, [failure_id], state, note)
        _log.warning("failure not analysed", failure=failure_id, state=state, reason=note)


def _plain(error: LLMError) -> dict[str, Any]:
    return {
        "message": error.message,
        "permanent": error.permanent,
        "retry_after": error.retry_after,
        "account": error.account,
        "billed": error.billed,
    }
