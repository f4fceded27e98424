"""Lines of a log that are one record: a stack trace under its error, the rest of a message.

Readers of files, journals and pod logs join lines before they look at them (`log_line.py`): what was denied often
stands lines below the one that says that something failed.
"""

import re

_TRACEBACK = "Traceback (most recent call last)"
_BETWEEN = ("During handling of the above exception", "The above exception was the direct cause")
_STARTS = (
    _TRACEBACK,
    *_BETWEEN,
    *("Caused by:", "Suppressed:", "Wrapped by:", "goroutine ", "created by ", "[signal ", "exit status "),
    *("DETAIL:", "HINT:", "CONTEXT:", "QUERY:", "STATEMENT:", "LINE "),
    *("--- End of ", "...", "Stack trace:", "Stacktrace:"),
)
_CLOSINGS = frozenset({"}", "]", ")", "},", "],", "};"})
_EXCEPTION = re.compile(r"[A-Za-z_]\w{0,99}(?:\.[A-Za-z_][\w$]{0,99}){1,20}(?=:|$)")
_MOST_LINES = 300
LONGEST_RECORD = 65_536


class Joiner:
    """Says of line after line whether it belongs to the record of the lines before it. For one stream of lines."""

    def __init__(self) -> None:
        self._count = self._size = 0
        self._is_whole = self._in_traceback = self._may_be_blank = False

    def continues(self, line: str) -> bool:
        """Whether the line goes on with the record; else it begins one. Lines come in order, without their ends."""
        if self._count and self._size + len(line) < LONGEST_RECORD and self._count < _MOST_LINES and self._fits(line):
            self._count += 1
            self._size += len(line) + 1
            return True
        self._count, self._size = 1, len(line) + 1
        text = line.strip()
        self._is_whole = not text or (text.startswith("{") and text.endswith("}"))
        self._in_traceback = text.startswith(_TRACEBACK)
        self._may_be_blank = False
        return False

    def _fits(self, line: str) -> bool:
        if self._is_whole:
            return False
        if not line.strip():
            return self._in_traceback or self._may_be_blank
        if line.startswith((_TRACEBACK, *_BETWEEN)):
            self._in_traceback = line.startswith(_TRACEBACK)
            self._may_be_blank = not self._in_traceback
            return True
        if line[0] in " \t" or line.startswith(_STARTS) or line.strip() in _CLOSINGS:
            return True
        if self._in_traceback:  # the exception itself stands below its frames, at the margin
            self._in_traceback, self._may_be_blank = False, True
            return True
        self._may_be_blank = False
        return self._count == 1 and _is_exception(line)


def _is_exception(line: str) -> bool:
    """Java's loggers print the exception's class at the margin, under the line that was logged."""
    found = _EXCEPTION.match(line)
    return found is not None and found[0].endswith(("Exception", "Error"))
