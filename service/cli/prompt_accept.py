"""`whydenied prompts accept`: an answer that somebody got from any model, held against the event and stored."""

import hashlib
import re
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from service.cli.answer_text import print_answer
from service.cli.explain import open_matcher, read_text
from service.cli.inquiries import inquire, inquire_about, open_prompts
from service.cli.prompts import commands
from service.cli.start import fail, load_or_exit, open_database
from service.domain import Answer, ByLLM
from service.llm.draft import Draft
from service.llm.inquiry import Inquiry, Prompts

if TYPE_CHECKING:
    from sqlalchemy import Engine

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


@commands.command()
def accept(
    answer: Annotated[
        str, typer.Argument(help="File with the model's answer, one JSON object; - reads standard input.")
    ],
    failure: Annotated[str | None, typer.Option("--failure", help="Id of the failure it answers; stores it.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="File with the text it answers; checks it and stores nothing.")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Which model said so, for the record.")] = "unknown",
) -> None:
    """Check an answer to what `prompts render` printed as every model's answer is checked; store it with --failure."""
    if (failure is None) == (text is None):
        fail("give --failure ID or --text FILE")
    settings = load_or_exit()
    prompts, draft = open_prompts(settings), _read_draft(read_text(answer))
    if text is not None:
        inquiry = inquire(read_text(text), {}, open_matcher(), settings)
        print_answer(_ground(draft, inquiry, prompts, model, "accepted"), inquiry.text)
        return
    with open_database(settings) as engine:
        _store(engine, failure or "", draft, prompts, model)


def _store(engine: "Engine", failure_id: str, draft: Draft, prompts: Prompts, model: str) -> None:
    from service.store.analyses import current_answer  # noqa: PLC0415 - checking a text needs no database
    from service.store.ids import new_id  # noqa: PLC0415
    from service.worker.ledger import keep_answer  # noqa: PLC0415

    with engine.connect() as conn:
        found = inquire_about(conn, failure_id)
    if found is None:
        fail(f"there is no failure {failure_id} with an event to hold the answer against", 1)
    inquiry, event_id = found
    accepted = _ground(draft, inquiry, prompts, model, new_id())
    with engine.begin() as conn:
        keep_answer(conn, failure_id, event_id, accepted, None)
        shown = current_answer(conn, failure_id)
    print_answer(accepted, inquiry.text)
    stands = shown is not None and shown.id == accepted.id
    typer.echo("Stored; it waits for review." if stands else "Stored beside the answer that stands; see its history.")


def _ground(draft: Draft, inquiry: Inquiry, prompts: Prompts, model: str, answer_id: str) -> Answer:
    from service.llm.grounding import ground  # noqa: PLC0415

    said = hashlib.sha256(draft.model_dump_json().encode()).hexdigest()[:8]
    by = ByLLM(
        prompt=prompts.first.head.name,
        prompt_version=f"{prompts.first.version}+{said}",
        provider="pasted",
        model=model,
        input_tokens=0,
        output_tokens=0,
        cost=None,
        latency=0.0,
    )
    grounded = ground(draft, inquiry.text, inquiry.context, answer_id=answer_id, produced_by=by)
    if isinstance(grounded, Answer):
        return grounded
    lines = "\n".join(f"  {finding}" for finding in grounded)
    return fail(f"the answer does not stand up to the event, so nothing was stored:\n{lines}", 1)


def _read_draft(said: str) -> Draft:
    fenced = _FENCED.search(said)
    try:
        return Draft.model_validate_json(fenced[1] if fenced else said)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    lines = "\n".join(f"  {'.'.join(map(str, one['loc'])) or 'answer'}: {one['msg']}" for one in problems[:10])
    return fail(f"the answer does not fit the form:\n{lines}", 1)
