"""Python's `logging.handlers.HTTPHandler`: a record as form fields, its message and arguments apart.

https://docs.python.org/3/library/logging.handlers.html#httphandler
"""

import ast
from collections.abc import Mapping
from typing import Any

from connectors.values import fill

_LONGEST_ARGUMENTS = 2_000


def as_log_record(form: Mapping[str, str]) -> dict[str, Any] | None:
    """The form as an object with a whole `message`, None if it is no log record."""
    if not {"msg", "args", "levelname", "created"} <= form.keys():
        return None
    said = {name: value for name, value in form.items() if value not in ("None", "")}
    return {
        "message": fill(form["msg"], _values(form["args"])),
        "level": form["levelname"],
        "time": form["created"],
        "logger": said.get("name"),
        "exc_text": said.get("exc_text"),
        "function": said.get("funcName"),
        "path": said.get("pathname"),
        "line": said.get("lineno"),
    }


def _values(arguments: str) -> Any:
    if len(arguments) > _LONGEST_ARGUMENTS:
        return [arguments]
    try:
        return ast.literal_eval(arguments)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return [] if arguments in ("", "None") else [arguments]
