"""`whydenied prompts`: check, lock, render."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from service.llm.draft import OUTPUTS
from service.prompt.load import default_folder, load_prompts
from service.prompt.lock import find_differences, read_lock, write_lock
from service.prompt.model import Prompt, PromptError

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
    name: Annotated[str, typer.Argument(help="The prompt, as in prompts/<name>.md.")],
    inputs: Annotated[
        str | None, typer.Option("--input", help="JSON file with a value for every input; - reads standard input.")
    ] = None,
) -> None:
    """Print what the model would be sent: with the sample of the prompt, or with your inputs."""
    _, prompts = _open()
    if name not in prompts:
        _fail(f"no prompt is called {name!r}; there are {', '.join(prompts)}")
    try:
        values = prompts[name].head.sample if inputs is None else _read_inputs(inputs)
        rendered = prompts[name].render(**values)
    except (PromptError, OSError, ValueError, TypeError) as error:
        _fail(str(error))
    typer.echo(f"# system\n\n{rendered.system}\n\n# user\n\n{rendered.user}")


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
