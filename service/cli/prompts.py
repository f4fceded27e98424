"""`whydenied prompts`: check, lock, render. `prompt_accept` and `prompt_eval` add to the group."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from service.cli.explain import open_matcher, read_text
from service.cli.inquiries import inquire, inquire_about, open_prompts
from service.cli.start import fail, load_or_exit, open_database
from service.llm.draft import OUTPUTS, Draft
from service.llm.inquiry import FIRST
from service.prompt.load import default_folder, load_prompts
from service.prompt.lock import find_differences, read_lock, write_lock
from service.prompt.model import Prompt, PromptError, Rendered

commands = typer.Typer(no_args_is_help=True, help="Check, lock and render prompts.")


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(commands, name="prompts")


@commands.command()
def check() -> None:
    """Check every prompt: front matter, inputs, outside text inside its tags, sample, lock."""
    folder, prompts = _open()
    problems = list(find_differences(prompts, read_lock(folder)))
    problems += [
        f"{name}.md: output {prompt.head.output!r} is not one of {', '.join(OUTPUTS)}"
        for name, prompt in prompts.items()
        if prompt.head.output not in OUTPUTS
    ]
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo(f"{len(problems)} problems", err=True)
        raise typer.Exit(1)
    typer.echo(f"{len(prompts)} prompts: no problem")


@commands.command()
def lock() -> None:
    """Write prompts/lock.json; refuses a text that changed under an unchanged version."""
    folder, prompts = _open()
    try:
        write_lock(folder, prompts)
    except PromptError as error:
        _fail(str(error))
    for name, prompt in prompts.items():
        typer.echo(f"{name} {prompt.version}")


@commands.command()
def render(
    name: Annotated[str, typer.Argument(help="The prompt, as in prompts/<name>.md.")] = FIRST,
    inputs: Annotated[
        str | None, typer.Option("--input", help="JSON file with a value for every input; - reads standard input.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="File with an error text to ask about; - reads standard input.")
    ] = None,
    failure: Annotated[str | None, typer.Option("--failure", help="Id of a stored failure to ask about.")] = None,
) -> None:
    """Print what the model would be sent, without sending it: for the sample, your inputs, a text or a failure.

    For a text or a failure the form of the answer is printed too: any chat model can be asked by copy and paste.
    """
    if sum(one is not None for one in (inputs, text, failure)) > 1:
        _fail("give one of --input, --text and --failure")
    if text is not None or failure is not None:
        typer.echo(_request_about(text, failure))
        return
    _, prompts = _open()
    if name not in prompts:
        _fail(f"no prompt is called {name!r}; there are {', '.join(prompts)}")
    try:
        values = prompts[name].head.sample if inputs is None else _read_inputs(inputs)
        rendered = prompts[name].render(**values)
    except (PromptError, OSError, ValueError, TypeError) as error:
        _fail(str(error))
    typer.echo(_shown(rendered))


def _request_about(text: str | None, failure: str | None) -> str:
    settings = load_or_exit()
    if text is not None:
        inquiry = inquire(read_text(text), {}, open_matcher(), settings)
    else:
        with open_database(settings) as engine, engine.connect() as conn:
            found = inquire_about(conn, failure or "")
        if found is None:
            fail(f"there is no failure {failure} with an event to show a model", 1)
        inquiry = found[0]
    form = json.dumps(Draft.model_json_schema(), separators=(",", ":"))
    how = "Answer with one JSON object of this schema and nothing else. Every field is required; write null for none."
    return f"{_shown(inquiry.first_request(open_prompts(settings)))}\n\n# form\n\n{how}\n\n{form}"


def _shown(rendered: Rendered) -> str:
    return f"# system\n\n{rendered.system}\n\n# user\n\n{rendered.user}"


def _read_inputs(file: str) -> dict[str, object]:
    values = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise PromptError("the inputs must be one JSON object")
    return values


def _open() -> tuple[Path, dict[str, Prompt]]:
    folder = Path(os.environ.get("WHYDENIED_PROMPTS_DIR") or default_folder())
    try:
        return folder, load_prompts(folder)
    except PromptError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"whydenied: {message}", err=True)
    raise typer.Exit(2)
