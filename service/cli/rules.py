"""`whydenied rules`: check, try, list, new, schema."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.explain import MAX_TEXT, open_matcher
from service.match.check import check_rules, read_clean_texts
from service.match.matcher import Matcher, choose
from service.match.proofs import count_proofs, prove_examples
from service.match.tidy import tidy
from service.match.why import explain_miss, nearest_by_words
from service.rules.load import default_folder
from service.rules.model import Pack
from service.rules.stub import write_stub

commands = typer.Typer(no_args_is_help=True, help="Check, try and write rules.")
_SHOWN_MISSES = 5
_LOOKED_AT = 60


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(commands, name="rules")


@commands.command()
def check(
    only: Annotated[str | None, typer.Argument(help="A system or a rule id; all when left out.")] = None,
    clean: Annotated[Path | None, typer.Option(help="Folder of clean logs (*.txt) that no rule may know.")] = None,
) -> None:
    """Run every rule's proof: examples, counterexamples, templates, artifacts, rivals, clean logs."""
    matcher = open_matcher()
    if only and not any(only in (r.rule.id, r.pack.system) for r in matcher.rules.values()):
        typer.echo(f"whydenied: no system and no rule is called {only!r}", err=True)
        raise typer.Exit(2)
    folder = clean or Path(__file__).parents[2] / "tests" / "rules" / "corpus"
    findings = check_rules(matcher, read_clean_texts(folder), only)
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        typer.echo(f"{len(findings)} problems", err=True)
        raise typer.Exit(1)
    for line in count_proofs(prove_examples(matcher, only)):
        typer.echo(line)
    typer.echo(f"{len(matcher.rules)} rules of {len(matcher.packs)} systems: no problem")


@commands.command("try")
def try_text(
    file: Annotated[str, typer.Argument(help="File with the text; - reads standard input.")] = "-",
    rule: Annotated[str | None, typer.Option(help="Only this rule, or this system's rules.")] = None,
) -> None:
    """Say which rule knows a text, which others match, and where the nearest ones stop."""
    matcher = open_matcher()
    text = sys.stdin.read(MAX_TEXT) if file == "-" else Path(file).read_text(errors="replace")
    candidates = matcher.candidates(tidy(text), {})
    winner = choose(candidates)
    for candidate in sorted(candidates, key=lambda c: c.rank):
        mark = "wins" if candidate is winner else "matches"
        typer.echo(f"{mark:<8} {candidate.ready.rule.id}  ({candidate.alternative.literals} literal characters)")
        typer.echo(f"         {' '.join(candidate.found.group(0).split())[:160]}")
    _print_misses(matcher, text, rule, {c.ready.rule.id for c in candidates})


def _print_misses(matcher: Matcher, text: str, only: str | None, matched: set[str]) -> None:
    others = [
        r
        for r in matcher.rules.values()
        if r.rule.id not in matched and (only is None or only in (r.rule.id, r.pack.system))
    ]
    near = others if only else nearest_by_words(others, text, _LOOKED_AT)
    misses = sorted((explain_miss(ready, text, {}) for ready in near), key=lambda miss: -miss.share)
    for miss in misses[:_SHOWN_MISSES]:
        typer.echo(f"no       {miss.rule}  {miss.share:.0%}: {miss.reason}")
        if miss.text:
            typer.echo(f"         text there: {' '.join(miss.text.split())}")


@commands.command("list")
def list_rules(system: Annotated[str | None, typer.Argument(help="Only this system.")] = None) -> None:
    """List rules: id, verdict, cause, title."""
    for ready in open_matcher().rules.values():
        if system in (None, ready.pack.system):
            rule = ready.rule
            typer.echo(f"{rule.id:<48} {rule.verdict:<15} {rule.cause:<26} {rule.title}")


@commands.command()
def new(
    system: Annotated[str, typer.Argument(help="The system, as in rules/<system>.yaml.")],
    file: Annotated[str, typer.Argument(help="File with the first example; - reads standard input.")] = "-",
) -> None:
    """Print a stub of a rule with the text as its first example; paste it into rules/<system>.yaml."""
    text = sys.stdin.read(MAX_TEXT) if file == "-" else Path(file).read_text(errors="replace")
    folder = Path(os.environ.get("WHYDENIED_RULES_DIR") or default_folder())
    typer.echo(write_stub(system, text.strip(), with_header=not (folder / f"{system}.yaml").exists()))


@commands.command()
def schema() -> None:
    """Print the JSON schema of a rule file, for editors."""
    typer.echo(json.dumps(Pack.model_json_schema(), indent=2))
