"""A failure as Markdown, to paste into a ticket. Pure.

Event text and artifacts stand in code fences that they cannot close; everything else is escaped.
"""

import re
from collections.abc import Iterator

from service.domain import Answer, Artifact
from service.store.requests import Call
from service.web.failure_view import FailureView, PastReview
from service.web.highlight import mark_invisible
from service.web.words import absolute, cause_words, dollars, file_extension, plural

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


def failure_markdown(view: FailureView) -> str:
    """The whole failure: claim, fix, check, evidence and counts."""
    return "\n\n".join(_parts(view)) + "\n"


def _parts(view: FailureView) -> Iterator[str]:
    yield f"# {_plain(view.title)}"
    yield (
        f"{view.status_words}; seen {view.seen:,} times, first {absolute(view.first_seen)}, "
        f"last {absolute(view.last_seen)}, source {_plain(view.source)}"
    )
    if view.answer:
        yield from _answer(view.answer)
        if view.progress == "answered" and view.progress_detail:
            yield _plain(view.progress_detail)
    else:
        yield _plain(view.progress_title)
    yield "## Evidence"
    yield _fenced(view.text)
    if view.calls:
        yield "## Asked of models"
        yield "\n".join(map(_call, view.calls))
    if view.reviews:
        yield "## History"
        yield "\n".join(line for past in view.reviews for line in _past(past))


def _call(call: Call) -> str:
    tokens = f"{call.input_tokens + call.output_tokens:,} tokens, {dollars(call.cost)}"
    came = f"refused: {'; '.join(call.findings)}" if call.findings else call.outcome
    asked = f"{absolute(call.started_at)}, {call.model}, {call.prompt}@{call.prompt_version}"
    return f"- {_plain(asked)}: {tokens}, {_plain(came)}"


def _past(past: PastReview) -> Iterator[str]:
    told = "; ".join(part for part in (past.detail, past.note) if part)
    yield f"- {_plain(past.words)} by {_plain(past.reviewer)}, {absolute(past.at)}{f': {_plain(told)}' if told else ''}"
    for change in past.changes:
        yield f"  - {_plain(change.field)}: {_plain(change.before) or 'nothing'} → {_plain(change.after) or 'nothing'}"


def _answer(answer: Answer) -> Iterator[str]:
    facts = [
        ("Verdict", answer.verdict),
        ("Cause", cause_words(answer.cause)),
        ("Confidence", answer.confidence),
        ("Principal", answer.principal),
        ("Action", answer.action),
        ("Resource", answer.resource),
        ("Missing", ", ".join(answer.missing_permissions)),
    ]
    yield "\n".join(f"- {name}: {_plain(value) if value else 'not said'}" for name, value in facts)
    yield _plain(answer.explanation)
    if answer.fix:
        yield "## Fix"
        yield _plain(answer.fix.summary)
        if answer.fix.steps:
            yield "\n".join(f"{n}. {_plain(step)}" for n, step in enumerate(answer.fix.steps, 1))
        for artifact in answer.fix.artifacts:
            yield from _artifact(artifact)
        yield from (
            f"{name}: {_plain(text)}" for name, text in (("Risk", answer.fix.risk), ("Undo", answer.fix.undo)) if text
        )
    if answer.verify:
        yield "## Check"
        yield _fenced(answer.verify.command, "sh")
        yield f"Expect: {_plain(answer.verify.expect)}"
    if answer.references:
        yield "\n".join(f"- {_plain(url)}" for url in answer.references)


def _artifact(artifact: Artifact) -> Iterator[str]:
    yield f"### {_plain(artifact.title)}"
    yield _fenced(artifact.content, file_extension(artifact.kind))
    yield f"Apply: {_plain(artifact.apply)}"
    if artifact.placeholders:
        yield f"Replace first ({plural(len(artifact.placeholders), 'placeholder')}): " + ", ".join(
            map(_plain, artifact.placeholders)
        )


def _plain(text: str) -> str:
    """One paragraph in which no character is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(mark_invisible(text).split()))


def _fenced(text: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{mark_invisible(text)}\n{fence}"
