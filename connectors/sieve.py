"""Which records of a log or trace are kept: those that look like a failure of a request, a job or a right.

A source that sends everything (OTLP, Loki, HEC, `_bulk`, log shippers) is read through this. A record is kept when

- it carries an exception, or a response status of 401, 403, 407, 451 or 5xx, or
- its severity is error or worse, or
- its text speaks of a refusal, whatever its severity: many services log a denial as information.

Everything else is counted in `whydenied_records_passed_over_total`. Whether a kept record is a refusal, or only speaks
of one, is for the rules to say.
"""

import re2

_KEPT_STATUS = frozenset({401, 403, 407, 451})
_ERROR_WORDS = frozenset("error err fatal critical crit alert emerg emergency panic severe failure exception".split())
_REFUSAL = re2.compile(
    r"(?i)\b(?:access |permission )?denied\b|\bforbid(?:den|s)?\b|\bun(?:authori[sz]ed|authenticated)\b"
    r"|\bnot (?:been )?(?:authori[sz]ed|permitted|allowed|entitled)\b|\binsufficient(?:\b|_)|\bEACCES\b|\bEPERM\b"
    r"|\b(?:no|missing|lacks?|lacking|without|requires?|needs?) (?:[\w\"'`:.-]{1,60} ){0,3}"
    r"(?:permissions?|privileges?|scopes?|roles?|rights?|access)\b"
    r"|\bdo(?:es)? not have (?:[\w\"'`:.-]{1,60} ){0,3}(?:permissions?|privileges?|roles?|access)\b"
    r"|\b(?:invalid|expired|revoked) (?:\w{1,30} )?(?:tokens?|credentials?|keys?|signatures?)\b"
    r"|\bauthenticat\w{1,10} (?:has )?fail|\bfail\w{0,4} to authenticat|\bHTTP[/ \d.]{0,8}(?:401|403)\b"
    r"|\bstatus(?:.code)?\W{1,4}(?:401|403)\b"
)
_LOOKED_AT = 16_384


def looks_like_failure(
    text: str, *, severity: str | None = None, http_status: int | None = None, has_exception: bool = False
) -> bool:
    """Whether the record is kept. `severity` is a word; a number has to be named by its own scale first."""
    if has_exception or (http_status is not None and (http_status in _KEPT_STATUS or http_status >= 500)):
        return True
    if severity and severity.strip().lower() in _ERROR_WORDS:
        return True
    return _REFUSAL.search(text[:_LOOKED_AT]) is not None
