"""The log of a build job as people would quote it: its end, without times, colours and folds."""

import re

# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
# https://docs.gitlab.com/ci/jobs/job_logs/
_TIME = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z (?:\d\d[EO][ +]?)?")
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_SECTION = re.compile(r"section_(?:start|end):\d{1,12}:[\w.-]{1,80}(?:\[[^\]\r]{0,80}\])?\r?")
_COMMAND = re.compile(r"^##\[(\w{1,20})\]")
_ENDS = ("##[error]", "ERROR: Job failed", "ERROR: Job timed out")
_MOST_LINES = 150
_LONGEST_LINE = 2_000
_LONGEST = 12_000
LOG_LIMIT = 512 * 1024


def excerpt(log: bytes) -> str:
    """The lines before the last error that the runner notes, at most 150 of them; else the log's end."""
    lines = [_plain(line) for line in log.decode("utf-8", "replace").splitlines()]
    last = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].startswith(_ENDS)), len(lines) - 1)
    kept: list[str] = []
    size = 0
    for line in reversed(lines[: last + 1][-_MOST_LINES:]):
        told = _COMMAND.sub(_command, line)
        size += len(told) + 1
        if size > _LONGEST:
            break
        if told.strip():
            kept.append(told)
    return "\n".join(reversed(kept))


def _plain(line: str) -> str:
    line = _COLOUR.sub("", _TIME.sub("", line[: _LONGEST_LINE * 2]))
    return _SECTION.sub("", line).rpartition("\r")[2].rstrip()[:_LONGEST_LINE]


def _command(found: re.Match[str]) -> str:
    return "Error: " if found[1] == "error" else ""
