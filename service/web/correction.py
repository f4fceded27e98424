"""An answer as the fields of a form, and back: typed text becomes a valid `Answer`, or errors by field. Pure.

Field names: those of `Answer`, `fix_summary fix_steps fix_risk fix_undo verify_command verify_expect`, and
`artifact-<n>-kind|title|content|placeholders|apply`. Lists are one entry a line.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from service.domain import Answer, ArtifactKind, ByReviewer, Evidence
from service.proof.checker import find_excess, prove_answer
from service.web.highlight import mark_invisible

ARTIFACT_LIMIT = 10
_ARTIFACT_FIELDS = ("kind", "title", "content", "placeholders", "apply")
_LINES = ("missing_permissions", "references")
_OPTIONAL = ("system", "principal", "action", "resource")
_LENGTHS = {"title": 300, "explanation": 5_000, "system": 100}
_LONGEST = 20_000


class InvalidCorrection(ValueError):
    """The form is not a valid answer. `errors` has a message for people under each field's name."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors.items()))
        self.errors = dict(errors)


def form_of(answer: Answer) -> dict[str, str]:
    """The fields of the form, filled from an answer, with one empty artifact at the end."""
    fields: dict[str, str] = {
        "verdict": answer.verdict,
        "cause": answer.cause or "",
        "confidence": answer.confidence,
        "title": answer.title,
        "explanation": answer.explanation,
        **{name: getattr(answer, name) or "" for name in _OPTIONAL},
        **{name: "\n".join(getattr(answer, name)) for name in _LINES},
        "fix_summary": answer.fix.summary if answer.fix else "",
        "fix_steps": "\n".join(answer.fix.steps) if answer.fix else "",
        "fix_risk": (answer.fix and answer.fix.risk) or "",
        "fix_undo": (answer.fix and answer.fix.undo) or "",
        "verify_command": answer.verify.command if answer.verify else "",
        "verify_expect": answer.verify.expect if answer.verify else "",
        **_artifact_fields(answer),
    }
    return {name: mark_invisible(value) for name, value in fields.items()}


def artifact_count(fields: Mapping[str, str]) -> int:
    """How many artifacts the form shows: those given and an empty one."""
    given = [
        n for n in range(ARTIFACT_LIMIT) if any(fields.get(f"artifact-{n}-{name}") for name in _ARTIFACT_FIELDS[1:])
    ]
    return min(ARTIFACT_LIMIT, (max(given) + 2) if given else 1)


def read_form(form: Mapping[str, str], original: Answer, *, text: str, reviewer: str, analysis_id: str) -> Answer:
    """The corrected answer. A field that was left as shown keeps its exact value. Raises `InvalidCorrection`."""
    shown = form_of(original)
    fields = {name: value.replace("\r\n", "\n").strip() for name, value in form.items()}
    errors = dict(_own_errors(fields))
    data = _answer_data(fields) | {
        "id": original.id,
        "produced_by": ByReviewer(reviewer=reviewer, corrects=analysis_id),
    }
    for name in _OPTIONAL:
        if fields.get(name, "") == shown[name].strip():
            data[name] = getattr(original, name)
    try:
        answer = Answer.model_validate(data)
    except ValidationError as error:
        raise InvalidCorrection({**_contract_errors(error), **errors}) from None
    errors |= _unproven_errors(answer, text)
    if errors:
        raise InvalidCorrection(errors)
    return answer.model_copy(update={"evidence": tuple(_evidence(answer, original, text))})


def _artifact_fields(answer: Answer) -> dict[str, str]:
    artifacts = answer.fix.artifacts if answer.fix else ()
    fields: dict[str, str] = {}
    for n, artifact in enumerate(artifacts[:ARTIFACT_LIMIT]):
        fields |= {
            f"artifact-{n}-{name}": str(getattr(artifact, name)) for name in ("kind", "title", "content", "apply")
        }
        fields[f"artifact-{n}-placeholders"] = " ".join(artifact.placeholders)
    return fields


def _own_errors(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if len(value) > _LENGTHS.get(name, _LONGEST):
            yield name, f"Longer than {_LENGTHS.get(name, _LONGEST):,} characters."
    for name, message in (
        ("title", "Say in one line what was denied."),
        ("explanation", "Say why, in two to five sentences."),
    ):
        if not fields.get(name):
            yield name, message
    if bool(fields.get("verify_command")) != bool(fields.get("verify_expect")):
        missing = "verify_expect" if fields.get("verify_command") else "verify_command"
        yield missing, "A check needs both a command and what it prints."
    if not fields.get("fix_summary") and _has_fix(fields):
        yield "fix_summary", "Say the change in one line."
    for url in _lines(fields.get("references", "")):
        if urlsplit(url).scheme not in {"http", "https"}:
            yield "references", f"{url[:80]} is no http or https address."
    yield from _artifact_errors(fields)


def _artifact_errors(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for n in _artifact_numbers(fields):
        content = fields.get(f"artifact-{n}-content", "")
        for name, message in (
            ("title", "Name the change."),
            ("content", "Give the change itself."),
            ("apply", "Say where and by whom."),
        ):
            if not fields.get(f"artifact-{n}-{name}"):
                yield f"artifact-{n}-{name}", message
        absent = [word for word in fields.get(f"artifact-{n}-placeholders", "").split() if word not in content]
        if absent:
            yield f"artifact-{n}-placeholders", f"{absent[0]} does not stand in the content."
        kind = fields.get(f"artifact-{n}-kind", "")
        broad = find_excess(ArtifactKind(kind), content) if kind in set(ArtifactKind) else []
        if broad:
            yield f"artifact-{n}-content", f"The change {broad[0]}. Grant only what was denied."


def _unproven_errors(answer: Answer, text: str) -> dict[str, str]:
    """Under each artifact's content: what its checker refuses. Where a checker abstains, the reviewer's word stands."""
    faults = (proof.faults for proof in prove_answer(answer, text))
    return {f"artifact-{n}-content": f"The change {'; '.join(found)}." for n, found in enumerate(faults) if found}


def _answer_data(fields: Mapping[str, str]) -> dict[str, Any]:
    verify = {"command": fields.get("verify_command", ""), "expect": fields.get("verify_expect", "")}
    return {
        **{name: fields.get(name, "") for name in ("verdict", "confidence", "title", "explanation")},
        **{name: fields.get(name) or None for name in ("cause", *_OPTIONAL)},
        **{name: _lines(fields.get(name, "")) for name in _LINES},
        "fix": _fix_data(fields) if fields.get("fix_summary") or _has_fix(fields) else None,
        "verify": verify if any(verify.values()) else None,
    }


def _fix_data(fields: Mapping[str, str]) -> dict[str, Any]:
    return {
        "summary": fields.get("fix_summary", ""),
        "steps": _lines(fields.get("fix_steps", "")),
        "risk": fields.get("fix_risk") or None,
        "undo": fields.get("fix_undo") or None,
        "artifacts": [
            {
                **{name: fields.get(f"artifact-{n}-{name}", "") for name in ("kind", "title", "content", "apply")},
                "placeholders": fields.get(f"artifact-{n}-placeholders", "").split(),
            }
            for n in _artifact_numbers(fields)
        ],
    }


def _has_fix(fields: Mapping[str, str]) -> bool:
    return bool(any(fields.get(f"fix_{name}") for name in ("steps", "risk", "undo")) or _artifact_numbers(fields))


def _artifact_numbers(fields: Mapping[str, str]) -> list[int]:
    texts = ("title", "content", "placeholders", "apply")
    return [n for n in range(ARTIFACT_LIMIT) if any(fields.get(f"artifact-{n}-{name}") for name in texts)]


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]


def _contract_errors(error: ValidationError) -> dict[str, str]:
    return dict(_contract_error(problem["loc"], problem["msg"]) for problem in error.errors())


def _contract_error(place: tuple[int | str, ...], message: str) -> tuple[str, str]:
    """The form's field for a place in the answer, and words instead of the validator's."""
    match place:
        case ("verdict" | "cause" | "confidence" as name,):
            return name, "Choose one of the list."
        case ("fix", "artifacts", int(n), "kind"):
            return f"artifact-{n}-kind", f"Choose one of {', '.join(ArtifactKind)}."
        case ():
            text = message.removeprefix("Value error, ")
            field = next((word for word in ("artifacts", "confidence") if word in text), "cause")
            return field, text[:1].upper() + text[1:] + "."
    return str(place[0]), message


def _evidence(answer: Answer, original: Answer, text: str) -> Iterator[Evidence]:
    """Quotes of what did not change stay; a changed name is quoted where the text has it."""
    for name in ("principal", "action", "resource"):
        value = getattr(answer, name)
        if value != getattr(original, name) and value and (start := text.find(value)) >= 0:
            yield Evidence(quote=value, start=start, end=start + len(value), field=name)
    for span in original.evidence:
        if getattr(answer, span.field, None) == getattr(original, span.field, None):
            yield span
