"""Why a provider refused whydenied's own account, by whydenied's own rules."""

from service.match.matcher import Matcher
from service.redact import RedactionFailed, Redactor


def diagnose(matcher: Matcher, redactor: Redactor, told: str) -> str:
    """What the rules say to the provider's words, for the note of a failure; empty where no rule knows them."""
    try:
        match = matcher.match(redactor.redact(told).text, {})
    except RedactionFailed:
        return ""
    if match is None:
        return ""
    answer = match.answer("own-account")
    change = f" {answer.fix.summary}" if answer.fix else ""
    return f"Its own rules say why: {answer.title}. {answer.explanation}{change}"
