"""What a provider's refusal means for whydenied: whose fault it is, whether waiting helps, and what to do about it.

The words of a refusal decide before its status does: providers answer 400 for a wrong key and 403 or 429 for an empty
account. Sources: https://platform.claude.com/docs/en/api/errors, https://platform.openai.com/docs/guides/error-codes,
https://docs.x.ai/docs/key-information/debugging
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from urllib.parse import urlsplit

from pydantic import ValidationError

from service.llm.base import LLMError, Schema, Usage

_KEY_SETTINGS = "WHYDENIED_LLM_API_KEY or WHYDENIED_LLM_API_KEY_FILE"
_OWN_ACCOUNT = "This is whydenied's own access to the model, not the failure it looked at."
_OWN_FAULTS = {
    401: f"whydenied's own key was refused ({{said}}). Set a valid {_KEY_SETTINGS} and restart.",
    402: "whydenied's own account cannot pay for the call ({said}). Settle it with the provider.",
    403: f"whydenied's own key may not use {{model}} ({{said}}). Give it access, or set another {_KEY_SETTINGS}.",
    404: "The model {model!r} or the address {address} is unknown ({said}). Set WHYDENIED_LLM_MODEL or "
    "WHYDENIED_LLM_BASE_URL and restart.",
}
_TROUBLE = {429: "The provider's rate limit is reached", 529: "The provider is overloaded"}
_TRANSIENT = frozenset({408, 409, 425, 429})
_MONEY = ("credit", "usage limits", "spend_limit", "spending limit", "billing", "insufficient_quota", "current quota")
_WRONG_KEY = ("incorrect api key", "invalid api key", "invalid x-api-key")
_TOO_LARGE = ("context_length_exceeded", "maximum context length", "maximum prompt length", "prompt is too long")
_DECLINED = ("content_policy", "content_filter", "violates usage guidelines", "responsibleai")
_KEY_SHAPE = re.compile(r"\b(?:sk|xai)-[\w*-]{6,}")
_MOST_SAID = 200


@dataclass(frozen=True, slots=True)
class Called:
    """Whom a call went to, for the words of its errors. `key` is there to be left out of them."""

    name: str
    model: str
    address: str
    key: str


def explain_refusal(called: Called, status: int, code: str, words: str, headers: Mapping[str, str]) -> LLMError:
    """The error for an HTTP answer that is none. `code` and `words` are the provider's, from its error body."""
    said = hide_key(words, called.key)
    shown = f"{status}: {said[:_MOST_SAID]}" if said else str(status)
    told = f"{called.name} {called.model}: Error code: {status} - {code} {said}"[:1_000]
    hint = f"{code} {said}".lower()
    meant = _meaning(status, hint)
    if meant in _OWN_FAULTS:
        what = _OWN_FAULTS[meant].format(said=shown, model=called.model, address=called.address)
        return LLMError(f"{what} {_OWN_ACCOUNT}", permanent=True, account=True, told=told)
    if meant in _TRANSIENT or meant >= 500:
        what = _TROUBLE.get(meant, "The provider has trouble")
        return LLMError(f"{what} ({shown})", permanent=False, retry_after=_retry_after(headers), told=told)
    what = "The event is too large for the model" if meant == 413 else "The provider refused the request"
    return LLMError(f"{what} ({shown})", permanent=True, told=told)


def _meaning(status: int, hint: str) -> int:
    """The status that the refusal should have had."""
    if not 400 <= status < 500:
        return status
    for words, meant in ((_MONEY, 402), (_WRONG_KEY, 401), (_TOO_LARGE, 413), (_DECLINED, 400)):
        if any(word in hint for word in words):
            return meant
    return status


def timed_out(seconds: float) -> LLMError:
    """The error for a call that took too long; it may be paid for all the same."""
    return LLMError(f"The model gave no answer within {seconds:.0f} s", permanent=False, timed_out=True)


def unreachable(called: Called) -> LLMError:
    """The error for an address that nobody answers at."""
    told = "cannot be reached. Check the network, a proxy, or WHYDENIED_LLM_BASE_URL."
    return LLMError(f"{called.address} {told}", permanent=False)


def not_the_protocol(called: Called, protocol: str) -> LLMError:
    """The error for an answer that is not the provider's, such as a web page of a proxy."""
    return LLMError(f"{called.address} did not answer as the {protocol} does", permanent=False)


def read_draft(text: str, schema: type[Schema], usage: Usage) -> Schema:
    """The draft in a model's words; a fence around it is taken off. Raises `LLMError` where it does not fit."""
    try:
        return schema.model_validate_json(_unfenced(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        told = f"The model's answer does not fit the form: {place}: {first['msg']}"
        raise LLMError(told, permanent=False, billed=True, usage=usage) from None


def _unfenced(text: str) -> str:
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].removeprefix("json").strip()
    return text


def declined(usage: Usage) -> LLMError:
    """The error for a model that will not answer this event."""
    told = "The model declined to answer this event. An engineer has to look at it."
    return LLMError(told, permanent=True, billed=True, usage=usage)


def cut_off(max_tokens: int, usage: Usage) -> LLMError:
    """The error for an answer that did not fit."""
    told = f"The model's answer was cut off at {max_tokens} tokens (max_tokens of the prompt)"
    return LLMError(told, permanent=True, billed=True, usage=usage)


def stopped(reason: object, usage: Usage) -> LLMError:
    """The error for any other end without an answer."""
    told = f"The model stopped without an answer ({str(reason)[:40]})"
    return LLMError(told, permanent=True, billed=True, usage=usage)


def without_login(url: str) -> str:
    """The address without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def hide_key(words: str, key: str) -> str:
    """The provider's words on one line, without the key where a gateway repeats it."""
    words = " ".join(words.split())
    return _KEY_SHAPE.sub("[hidden]", words.replace(key, "[hidden]") if key else words)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    moment = parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, mktime_tz(moment) - time.time()) if moment else None
