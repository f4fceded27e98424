"""One inquiry put to one model and held against the event, without a database: for the command line and for evals."""

from dataclasses import dataclass

from service.domain import Answer, ByLLM
from service.llm.base import Completion
from service.llm.draft import Draft
from service.llm.grounding import ground
from service.llm.inquiry import Inquiry, Prompts, add_up, withheld
from service.llm.pricing import Priced
from service.prompt.model import Rendered


@dataclass(frozen=True, slots=True)
class Consultation:
    """What came of it. `findings` say why the answer is withheld, if it is. `calls` is one or two."""

    answer: Answer
    findings: tuple[str, ...]
    calls: int


async def consult(priced: Priced, prompts: Prompts, inquiry: Inquiry, answer_id: str) -> Consultation:
    """Ask, and once more with the findings where the answer does not stand up to the event. Raises `LLMError`."""
    first = await _ask(priced, inquiry.first_request(prompts))
    spent = add_up(None, first, priced.cost_of(first.model, first.usage))
    by = ByLLM(prompt=prompts.first.head.name, prompt_version=prompts.first.version, **spent)
    grounded = ground(first.draft, inquiry.text, inquiry.context, answer_id=answer_id, produced_by=by)
    if isinstance(grounded, Answer):
        return Consultation(grounded, (), 1)
    refused = first.draft.model_dump(mode="json")
    second = await _ask(priced, inquiry.second_request(prompts, refused, [str(one) for one in grounded]))
    spent = add_up(spent, second, priced.cost_of(second.model, second.usage))
    by = ByLLM(prompt=prompts.second.head.name, prompt_version=prompts.second.version, **spent)
    again = ground(second.draft, inquiry.text, inquiry.context, answer_id=answer_id, produced_by=by)
    if isinstance(again, Answer):
        return Consultation(again, (), 2)
    return Consultation(withheld(answer_id, by), tuple(str(one) for one in again), 2)


async def consult_once(priced: Priced, prompts: Prompts, inquiry: Inquiry, answer_id: str) -> Consultation:
    """Like `consult`, and give the provider's connections up afterwards."""
    try:
        return await consult(priced, prompts, inquiry, answer_id)
    finally:
        await priced.provider.close()


async def _ask(priced: Priced, request: Rendered) -> Completion[Draft]:
    return await priced.provider.ask(request, Draft)
