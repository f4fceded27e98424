"""Kusto queries as text: the rows that an alert's query counts, asked for without the counting.

https://learn.microsoft.com/kusto/query/
"""

import json
import re
from collections.abc import Mapping

_QUOTED = re.compile(
    r'@"(?:[^"]|"")*"|@\'(?:[^\']|\'\')*\'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|```.*?```|//[^\n]*', re.DOTALL
)
_ELSEWHERE = re.compile(
    r"\b(?:externaldata|external_table|http_request\w*|evaluate|invoke|(?:workspace|app|resource|adx|arg|cluster|database)"
    r"\s*\()",
    re.IGNORECASE,
)
_COUNTING = re.compile(r"\|\s*(?:summarize|count|make-series|render|top-hitters|distinct)\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_]\w{0,100}")
_LONGEST = 4_000


def rows_query(query: str, dimensions: Mapping[str, str], most: int) -> str | None:
    """A query for at most so many rows behind an alert: those of its dimensions, before they were summed up.

    None for one that is too long, or that could reach beyond its own workspace.
    """
    bare = _QUOTED.sub(lambda found: "_" * len(found[0]), query)
    if len(query) > _LONGEST or _ELSEWHERE.search(bare) or bare.lstrip().startswith("."):
        return None
    rows = query[: _end_of_rows(bare)].rstrip().rstrip(";")
    chosen = [
        f'| where tostring(column_ifexists("{name}", {json.dumps(value, ensure_ascii=False)}))'
        f" == {json.dumps(value, ensure_ascii=False)}"
        for name, value in dimensions.items()
        if _NAME.fullmatch(name)
    ]
    return "\n".join([rows, *chosen, f"| take {most}"])


def _end_of_rows(bare: str) -> int:
    """Where the last statement begins to count, outside of parentheses; its end where it does not."""
    for found in _COUNTING.finditer(bare, bare.rstrip().rstrip(";").rfind(";") + 1):
        before = bare[: found.start()]
        if before.count("(") == before.count(")"):
            return found.start()
    return len(bare)
