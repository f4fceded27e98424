"""RE2 patterns as rules use them: case-insensitive, linear-time, compiled once per process."""

import re
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
_MAX_REPEAT = 1_000
_REPEAT = re.compile(r"(?<!\\)(?<!\\[xpP])\{(?:\d+,)?(\d+)\}")


@cache
def compile_pattern(pattern: str) -> Any:
    """A compiled pattern. Raises `re2.error`; `reason_of` puts it in words."""
    return re2.compile(pattern, options=_OPTIONS)


def check_repeats(pattern: str) -> None:
    """Raise `ValueError` where a counted repeat is more than RE2 allows; widening would hide it from the prefilter."""
    for found in _REPEAT.finditer(pattern):
        if int(found.group(1)) > _MAX_REPEAT:
            raise ValueError(f"the repeat {found.group(0)} is more than {_MAX_REPEAT}; shorten it or use *")


def reason_of(error: Exception) -> str:
    """What RE2 says is wrong, and the usual cause."""
    detail = error.args[0] if error.args else error
    words = detail.decode() if isinstance(detail, bytes) else str(detail)
    return f"{words} (RE2 has no look-around, no back-references, and a group name only once per pattern)"
