"""An answer for a person at a terminal: cause first, then the fix, how to verify, and the evidence in the text."""

import sys

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from service.cli.evidence_text import mark_evidence
from service.domain import Answer, Artifact, Fix, Verdict
from service.render import strip_control

_STYLE = {
    Verdict.PERMISSION: "bold red",
    Verdict.AUTHENTICATION: "bold magenta",
    Verdict.OTHER: "bold cyan",
    Verdict.UNKNOWN: "bold yellow",
}


def print_answer(answer: Answer, text: str) -> None:
    """Print to standard output, in colour when that is a terminal."""
    console = Console(file=sys.stdout, highlight=False)
    for part in _parts(answer, text, colour=console.is_terminal):
        console.print(part, soft_wrap=isinstance(part, Text))


def _parts(answer: Answer, text: str, *, colour: bool) -> list[RenderableType]:
    """Prose is wrapped; what is to be copied (a `Text`) never is."""
    parts: list[RenderableType] = [_headline(answer), _prose(answer.explanation), Text()]
    facts = _facts(answer)
    if facts.plain:
        parts += [facts, Text()]
    if answer.fix:
        parts += [_title("Fix"), *_fix(answer.fix), Text()]
    if answer.verify:
        expect = _prose(f"expect: {answer.verify.expect}")
        parts += [_title("Verify"), _indent(Text(answer.verify.command, style="bold")), expect, Text()]
    if answer.evidence:
        parts += [_title("Evidence"), _indent(mark_evidence(text, answer.evidence, colour=colour)), Text()]
    parts.append(_footer(answer))
    return parts


def _prose(words: str, style: str = "") -> Padding:
    return Padding(Text(words, style=style), (0, 0, 0, 2))


def _indent(content: Text, by: int = 2) -> Text:
    return Text("\n").join(Text(" " * by) + line for line in content.split("\n", allow_blank=True))


def _title(words: str) -> Text:
    return Text(words, style="bold underline")


def _headline(answer: Answer) -> Text:
    line = Text()
    line.append(str(answer.verdict).upper(), style=_STYLE[answer.verdict])
    if answer.cause and answer.cause.value != answer.verdict.value:
        line.append(f" · {answer.cause.value.replace('_', ' ')}", style="bold")
    if answer.system:
        line.append(f" · {answer.system}")
    line.append(f"\n{answer.title}", style="bold")
    return line


def _facts(answer: Answer) -> Text:
    rows = [
        ("who", answer.principal),
        ("action", answer.action),
        ("on", answer.resource),
        ("needs", ", ".join(answer.missing_permissions)),
    ]
    held = [(name, value) for name, value in rows if value]
    facts = Text()
    for index, (name, value) in enumerate(held):
        facts.append(("\n" if index else "") + f"{name:<8}", style="dim")
        facts.append(strip_control(str(value)), style="bold")
    return _indent(facts)


def _fix(fix: Fix) -> list[RenderableType]:
    parts: list[RenderableType] = [_prose(fix.summary, "green")]
    parts += [_prose(f"{number}. {step}") for number, step in enumerate(fix.steps, 1)]
    for artifact in fix.artifacts:
        parts += _artifact(artifact)
    for name, words in (("risk", fix.risk), ("undo", fix.undo)):
        if words:
            parts.append(_prose(f"{name}: {words}", "dim"))
    return parts


def _artifact(artifact: Artifact) -> list[RenderableType]:
    content = Text(artifact.content, style="yellow")
    for name in artifact.placeholders:
        content.highlight_words([name], style="black on yellow")
    where = f"{artifact.title} ({artifact.kind}; {artifact.apply})"
    return [Text(), _prose(where, "bold"), _indent(content, 4), Text()]


def _footer(answer: Answer) -> Text:
    made = answer.produced_by
    source = f"rule {made.rule}@{made.version}" if made.kind == "rule" else made.kind
    footer = Text(f"{answer.confidence} · {source}", style="dim")
    for reference in answer.references:
        footer.append(f"\n{reference}")
    return footer
