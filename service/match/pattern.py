"""RE2 patterns as rules use them: case-insensitive, linear-time, compiled once per process."""

from functools import cache
from typing import Any

import re2

_MEMORY = 256 << 20


def options() -> Any:
    """RE2 options of all rule patterns."""
    chosen = re2.Options()
    chosen.case_sensitive = False
    chosen.log_errors = False
    chosen.max_mem = _MEMORY
    return chosen


_OPTIONS = options()


@cache
def compile_pattern(pattern: str) -> Any:
    """A compiled pattern. Raises `re2.error`; `reason_of` puts it in words."""
    return re2.compile(pattern, options=_OPTIONS)


def reason_of(error: Exception) -> str:
    """What RE2 says is wrong, and the usual cause."""
    detail = error.args[0] if error.args else error
    words = detail.decode() if isinstance(detail, bytes) else str(detail)
    return f"{words} (RE2 has no look-around, no back-references, and a group name only once per pattern)"
