"""A stack trace reduced to the frames of the application itself. Pure; what is no frame is kept as it is."""

import re
from itertools import groupby

_FRAME = re.compile(r"\s*(?:File \"|at |from |#\d+ |\d+: |\S{1,300}:\d+:in )")
_FOREIGN = (
    *("site-packages/", "dist-packages/", "/lib/python", "<frozen ", "node_modules/", "(node:", "node:internal"),
    *("/usr/lib/", "/usr/local/lib/", "/gems/", "/vendor/", "/pkg/mod/", "/usr/local/go/", "/rustc/", "at std::"),
    *(
        "at core::",
        "at java.",
        "at javax.",
        "at jdk.",
        "at sun.",
        "at com.sun.",
        "at jakarta.",
        "at kotlin.",
        "at scala.",
    ),
    *(
        "at org.springframework.",
        "at org.apache.",
        "at org.hibernate.",
        "at org.eclipse.",
        "at io.netty.",
        "at reactor.",
    ),
    *("at com.amazonaws.", "at software.amazon.", "at com.google.", "at System.", "at Microsoft."),
)
_LONGEST_LINE = 1_000


def own_frames(stack: str) -> tuple[str, int]:
    """The trace without the frames of libraries, with a note where some were left out, and how many those were.

    A line that is indented below a frame (its source) goes with it. A trace of nothing but libraries stays whole.
    """
    lines = stack.splitlines()
    foreign = _mark(lines)
    left_out = sum(1 for line, out in zip(lines, foreign, strict=True) if out and _is_frame(line))
    own = any(_is_frame(line) and not out for line, out in zip(lines, foreign, strict=True))
    if not own or not left_out:
        return stack, 0
    kept: list[str] = []
    for out, run in groupby(zip(lines, foreign, strict=True), key=lambda pair: pair[1]):
        group = [line for line, _ in run]
        frames = sum(map(_is_frame, group))
        kept.extend([f"    … {frames} frame{'' if frames == 1 else 's'} of libraries"] if out else group)
    return "\n".join(kept), left_out


def _is_frame(line: str) -> bool:
    return _FRAME.match(line[:_LONGEST_LINE]) is not None


def _mark(lines: list[str]) -> list[bool]:
    marks: list[bool] = []
    inside, depth = False, 0
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if _is_frame(line):
            inside, depth = any(word in line[:_LONGEST_LINE] for word in _FOREIGN), indent
        elif indent <= depth:
            inside = False
        marks.append(inside)
    return marks
