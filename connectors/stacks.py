"""Stack traces as text: each frame with file, line, function and the source lines that the call spans."""

from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Any

from connectors.values import as_list, as_mapping, as_text, clean, first_text

Frames = Sequence[Mapping[str, Any]]

_MOST_FRAMES = 50
_MOST_OWN = 8
_MOST_FOREIGN = 4
_MOST_CONTINUED = 7
_LONGEST_LINE = 300


def print_stack(frames: Frames) -> str:
    """All frames, oldest first, at most the last 50."""
    return "\n".join(_print_frame(frame) for frame in frames[-_MOST_FRAMES:])


def print_compact_stack(frames: Frames) -> str:
    """The last frames of the application's own code; of a stack without any, the last of what there is."""
    own = [frame for frame in frames if frame.get("in_app", frame.get("inApp")) is True]
    return print_stack(own[-_MOST_OWN:] if own else frames[-_MOST_FOREIGN:])


def frames_of(stacktrace: Any) -> Frames:
    """The frames of Sentry's `{"frames": [...]}`, oldest first; null frames are left out."""
    return [frame for frame in as_list(as_mapping(stacktrace).get("frames")) if isinstance(frame, dict)]


def _print_frame(frame: Mapping[str, Any]) -> str:
    place = first_text(frame.get("filename"), frame.get("abs_path"), frame.get("absPath"), frame.get("module")) or "?"
    line = first_text(frame.get("lineno"), frame.get("lineNo"))
    function = as_text(frame.get("function"))
    head = f'  File "{place}"' + (f", line {line}" if line else "") + (f", in {function}" if function else "")
    return "\n".join([head, *(f"    {source[:_LONGEST_LINE]}" for source in _source_lines(frame))])


def _source_lines(frame: Mapping[str, Any]) -> list[str]:
    """The line of the call and, while its brackets are open, those after it: arguments such as a bucket stand there."""
    sources = _sources(frame)
    depth, count = _open_brackets(sources[0]) if sources else 0, 1
    while depth > 0 and count < min(len(sources), _MOST_CONTINUED):
        depth += _open_brackets(sources[count])
        count += 1
    return dedent("\n".join(sources[:count])).splitlines()


def _sources(frame: Mapping[str, Any]) -> list[str]:
    """The source line and those after it, in the SDK's form (`context_line`) or the REST API's (`context`: pairs)."""
    number = frame.get("lineNo", frame.get("lineno"))
    pairs = [pair for pair in as_list(frame.get("context")) if isinstance(pair, list) and len(pair) == 2]
    lines = [source for at, source in pairs if _is_from(at, number)]
    if line := frame.get("context_line") or frame.get("contextLine"):
        lines = [line, *as_list(frame.get("post_context"))]
    return [clean(line).rstrip() for line in lines if isinstance(line, str) and line.strip()]


def _is_from(at: Any, number: Any) -> bool:
    return isinstance(at, int) and isinstance(number, int) and at >= number


def _open_brackets(line: str) -> int:
    return sum(line.count(bracket) for bracket in "([{") - sum(line.count(bracket) for bracket in ")]}")
