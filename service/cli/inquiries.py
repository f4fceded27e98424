"""What commands share that ask a model, or check what one said: the model, the prompts, and a text made ready."""

import secrets
from typing import TYPE_CHECKING, Any

from service.cli.start import fail
from service.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.llm.inquiry import Inquiry, Prompts
    from service.llm.pricing import Priced
    from service.match.matcher import Matcher

_NO_MODEL = "no model is configured; set WHYDENIED_LLM_API_KEY (docs/llm.md lists the settings)"
_EXAMPLES = 3


def open_model(settings: Settings) -> "Priced":
    """The first model of the settings, or exit code 2 and what to set."""
    from service.declared import DeclarationError  # noqa: PLC0415 - offline commands start faster without it
    from service.declared_models import open_models  # noqa: PLC0415
    from service.llm.base import LLMError  # noqa: PLC0415

    try:
        models = open_models(settings)
    except (LLMError, DeclarationError) as error:
        fail(str(error))
    return models[0] if models else fail(_NO_MODEL)


def open_prompts(settings: Settings) -> "Prompts":
    """The prompts of an analysis, or exit code 2 and what is wrong with them."""
    from service.llm.inquiry import Prompts  # noqa: PLC0415
    from service.prompt.load import load_prompts  # noqa: PLC0415
    from service.prompt.model import PromptError  # noqa: PLC0415

    try:
        return Prompts.of(load_prompts(settings.prompts_dir))
    except PromptError as error:
        fail(str(error))


def inquire(text: str, context: dict[str, Any], matcher: "Matcher", settings: Settings) -> "Inquiry":
    """A text as a model would be told of it: redacted, cut, with a general rule's reading.

    Exit code 1 where the redactor cannot check the text: then nothing is shown or sent.
    """
    from service.llm.inquiry import Inquiry, reading_of  # noqa: PLC0415
    from service.pipeline import MAX_TEXT, shorten  # noqa: PLC0415
    from service.redact import RedactionFailed, Redactor  # noqa: PLC0415

    try:
        redactor = Redactor(secrets.token_bytes(32), emails=settings.redact_emails)
        clean = shorten(redactor.redact(text).text, MAX_TEXT)
    except RedactionFailed as error:
        fail(f"the text could not be checked for secrets ({error}), so nothing was sent", 1)
    match = matcher.match(clean, context)
    reading = reading_of(match.answer("reading")) if match and match.is_general else None
    return Inquiry(clean, context, [], reading)


def inquire_about(conn: "Connection", failure_id: str) -> "tuple[Inquiry, str] | None":
    """A stored failure as a model would be told of it, and the id of its newest event; None where there is neither."""
    from service.llm.inquiry import Inquiry, reading_of  # noqa: PLC0415
    from service.worker.ledger import load_question  # noqa: PLC0415
    from service.worker.similar import Precedents  # noqa: PLC0415

    question = load_question(conn, failure_id, even_answered=True)
    if question is None:
        return None
    approved = Precedents().find(conn, question.text, _EXAMPLES)
    reading = question.reading
    hint = reading_of(reading) if reading and reading.produced_by.kind == "rule" else None
    return Inquiry(question.text, question.context, approved, hint), question.event_id
