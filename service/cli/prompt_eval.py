"""`whydenied prompts eval`: the cases of `prompts/evals` put to the configured model, scored, and remembered."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.explain import open_matcher
from service.cli.inquiries import inquire, open_model, open_prompts
from service.cli.prompts import commands
from service.cli.start import fail, load_or_exit
from service.llm.base import LLMError
from service.llm.consult import consult
from service.llm.evals import Case, EvalError, Outcome, find_wrong, load_cases, summarize
from service.llm.inquiry import Inquiry, Prompts
from service.llm.pricing import Priced

_HISTORY = "history.jsonl"


@commands.command("eval")
def evaluate(
    cases: Annotated[Path | None, typer.Option("--cases", help="Folder of cases; default: prompts/evals.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only cases with this tag; may be repeated.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="Only the case of this id.")] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, max=50, help="How often each case is asked.")] = 1,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=64, help="Calls at once.")] = 4,
    history: Annotated[
        Path | None, typer.Option("--history", help="File that a line is appended to; default: history.jsonl there.")
    ] = None,
) -> None:
    """Ask the configured model about every case, score the answers, and append the figures to a history file."""
    settings = load_or_exit()
    folder = cases or settings.prompts_dir / "evals"
    chosen = _choose(folder, tag or [], only)
    model, prompts, matcher = open_model(settings), open_prompts(settings), open_matcher()
    inquiries = [inquire(case.event.text, dict(case.event.context), matcher, settings) for case in chosen]
    asked = [(case, inquiry) for case, inquiry in zip(chosen, inquiries, strict=True) for _ in range(repeat)]
    outcomes = asyncio.run(_ask_all(model, prompts, asked, concurrency))
    for outcome in outcomes:
        if not outcome.is_right:
            typer.echo(f"{outcome.case.id} ({', '.join(outcome.case.tags)}): {'; '.join(outcome.wrong)}")
    figures = summarize(outcomes)
    _print_figures(figures)
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "provider": model.provider.name,
        "model": model.provider.model,
        "prompts": {one.head.name: one.version for one in (prompts.first, prompts.second)},
        "cases": len(chosen),
        "repeat": repeat,
        **figures,
    }
    _append(history or folder / _HISTORY, line)


def _choose(folder: Path, tags: Sequence[str], only: str | None) -> list[Case]:
    try:
        every = load_cases(folder)
    except (EvalError, OSError) as error:
        fail(str(error))
    chosen = [one for one in every if (not tags or set(tags) & set(one.tags)) and only in {None, one.id}]
    return chosen or fail(f"none of the {len(every)} cases is chosen")


async def _ask_all(
    model: Priced, prompts: Prompts, asked: Sequence[tuple[Case, Inquiry]], concurrency: int
) -> list[Outcome]:
    slots = asyncio.Semaphore(concurrency)

    async def ask(case: Case, inquiry: Inquiry) -> Outcome:
        async with slots:
            return await _ask(model, prompts, case, inquiry)

    try:
        return await asyncio.gather(*(ask(case, inquiry) for case, inquiry in asked))
    finally:
        await model.provider.close()


async def _ask(model: Priced, prompts: Prompts, case: Case, inquiry: Inquiry) -> Outcome:
    started = time.monotonic()
    try:
        done = await consult(model, prompts, inquiry, case.id)
    except LLMError as error:
        return Outcome(case, None, (f"the call failed: {error.message}",), time.monotonic() - started, None)
    by = done.answer.produced_by
    wrong = (*find_wrong(case, done.answer), *(f"withheld: {one}" for one in done.findings[:1]))
    cost = by.cost if by.kind == "llm" else None
    return Outcome(case, done.answer, wrong, time.monotonic() - started, cost)


def _print_figures(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        shown = ", ".join(f"{key} {held}" for key, held in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name:<22}{'not known' if shown is None else shown}")


def _append(file: Path, line: dict[str, Any]) -> None:
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line) + "\n")
    except OSError as error:
        fail(f"cannot append to {file}: {error.strerror}", 1)
    typer.echo(f"appended to {file}")
