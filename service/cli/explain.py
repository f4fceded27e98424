"""`whydenied explain`: an error text in, an answer out. Offline: no server, no database, no key."""

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
) -> None:
    """Say why a request was denied, the smallest fix, and how to verify it."""
    matcher = open_matcher()
    with _open(file) as source:
        if jsonl:
            raise typer.Exit(_answer_lines(matcher, source))
        text = source.read(MAX_TEXT).strip("\n")
    if not text.strip():
        typer.echo("whydenied: there is no text to explain; give a FILE or pipe one in", err=True)
        raise typer.Exit(2)
    answer = answer_text(matcher, "explain", text, {"http_status": status} if status else {})
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        print_answer(answer, text)


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
        typer.echo(f"whydenied: cannot read {file}: {error.strerror}", err=True)
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
