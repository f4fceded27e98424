"""`whydenied explain`: an error text in, an answer out. Offline, but for `--llm`: no server, no database, no key."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec
import typer

from service.cli.answer_text import print_answer
from service.domain import Answer, abstain
from service.match.matcher import Matcher
from service.rules.load import RuleError, default_folder, load_packs

MAX_TEXT = 4 * 1024 * 1024
_NO_RULE = "No rule knows this text. Check that the whole error is in it, not only its last line."
_SHOWN = 200  # characters of what was given instead of a file


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    file: Annotated[str, typer.Argument(help="File with the error text; - reads standard input.")] = "-",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Read {"id","text","context"} lines, print one answer a line.')
    ] = False,
    status: Annotated[
        int | None, typer.Option("--http-status", help="The HTTP status, where the text lacks it.")
    ] = None,
    llm: Annotated[
        bool, typer.Option("--llm", help="Ask the configured model instead of the rules; the text is redacted first.")
    ] = False,
) -> None:
    """Say why a request was denied, the smallest fix, and how to verify it."""
    if llm and jsonl:
        typer.echo("whydenied: --llm explains one text; leave --jsonl out", err=True)
        raise typer.Exit(2)
    matcher = open_matcher()
    with _open(file) as source:
        if jsonl:
            raise typer.Exit(_answer_lines(matcher, source))
        text = _whole(source)
    context = {"http_status": status} if status else {}
    if llm:
        text, answer = _ask(matcher, text, context)
    else:
        answer = answer_text(matcher, "explain", text, context)
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        print_answer(answer, text)


def read_text(file: str) -> str:
    """The text of a file, or of standard input for `-`; exit code 2 where there is none."""
    with _open(file) as source:
        return _whole(source)


def _whole(source: TextIO) -> str:
    text = source.read(MAX_TEXT).strip("\n")
    if not text.strip():
        typer.echo("whydenied: there is no text to explain; give a FILE or pipe one in", err=True)
        raise typer.Exit(2)
    return text


def _ask(matcher: Matcher, text: str, context: dict[str, Any]) -> tuple[str, Answer]:
    """The model's answer, and the text as it was sent. Exit code 1 where the call fails."""
    from service.cli.inquiries import inquire, open_model, open_prompts  # noqa: PLC0415 - rules alone start faster
    from service.cli.start import fail, load_or_exit  # noqa: PLC0415
    from service.llm.base import LLMError  # noqa: PLC0415
    from service.llm.consult import consult_once  # noqa: PLC0415

    settings = load_or_exit()
    model, prompts = open_model(settings), open_prompts(settings)
    inquiry = inquire(text, context, matcher, settings)
    try:
        done = asyncio.run(consult_once(model, prompts, inquiry, "explain"))
    except LLMError as error:
        fail(f"the model gave no answer: {error.message}", 1)
    for finding in done.findings:
        typer.echo(f"whydenied: withheld, because: {finding}", err=True)
    return inquiry.text, done.answer


def open_matcher() -> Matcher:
    """The matcher over WHYDENIED_RULES_DIR or the packs shipped. Broken rules end the command with a message."""
    folder = Path(os.environ.get("WHYDENIED_RULES_DIR") or default_folder())
    try:
        return Matcher(load_packs(folder))
    except RuleError as error:
        typer.echo(f"whydenied: the rules cannot be used:\n{error}", err=True)
        raise typer.Exit(2) from None


def answer_text(matcher: Matcher, answer_id: str, text: str, context: dict[str, Any]) -> Answer:
    """The answer of the winning rule, or an abstention."""
    match = matcher.match(text, context)
    return match.answer(answer_id) if match else abstain(answer_id, _NO_RULE)


def _open(file: str) -> TextIO:
    if file == "-":
        return open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False)
    try:
        return Path(file).open(encoding="utf-8", errors="replace")
    except OSError as error:
        typer.echo(f"whydenied: cannot read {file[:_SHOWN]}: {error.strerror}", err=True)
        if " " in file:
            typer.echo("A text is read from standard input: whydenied explain < error.txt", err=True)
        raise typer.Exit(2) from None


class _Line(msgspec.Struct, forbid_unknown_fields=False):
    id: str | int
    text: str
    context: dict[str, Any] | None = None


def _answer_lines(matcher: Matcher, source: TextIO) -> int:
    failed = False
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            given = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            failed = True
            problem = {"id": _id_of(line), "error": {"line": number, "detail": str(error)}}
            _print_line(msgspec.json.encode(problem).decode())
            continue
        answer = answer_text(matcher, str(given.id), given.text[:MAX_TEXT], given.context or {})
        _print_line(answer.model_dump_json())
    return 1 if failed else 0


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _id_of(line: str) -> Any:
    try:
        held = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return held.get("id") if isinstance(held, dict) else None
