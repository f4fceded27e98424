"""Loki's queries as text: the lines that a metric query counts.

https://grafana.com/docs/loki/latest/query/metric_queries/
"""

import json
import re
from collections.abc import Mapping

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_SELECTOR = re.compile(r"(?:^|[^\w\s:])\s*(\{)")
_RANGE = re.compile(r"\[[^\]]*\](?:\s*offset\s+\w+)?")
_UNWRAP = re.compile(r"\|\s*unwrap\b")
_BY = re.compile(r"\bby\s*\(([^)]*)\)")
_LONGEST = 5_000


def lines_query(query: str, labels: Mapping[str, str]) -> str | None:
    """The log query inside a metric query, for the labels that it groups by; None where it reads no log."""
    if len(query) > _LONGEST:
        return None
    bare = _QUOTED.sub(lambda found: "_" * len(found[0]), query)
    found = _SELECTOR.search(bare)
    if found is None:
        return None
    begin = found.start(1)
    end = _end(bare, begin)
    if cut := _UNWRAP.search(bare, begin, end):
        end = cut.start()
    kept, at = "", begin
    for span in _RANGE.finditer(bare, begin, end):
        kept, at = kept + query[at : span.start()], span.end()
    names = [name.strip() for group in _BY.findall(bare) for name in group.split(",")]
    chosen = [f" | {name}={json.dumps(labels[name], ensure_ascii=False)}" for name in names if name in labels]
    return (kept + query[at:end]).strip() + "".join(dict.fromkeys(chosen))


def _end(bare: str, begin: int) -> int:
    """Where the parenthesis closes that the selector stands in."""
    depth = 0
    for at in range(begin, len(bare)):
        depth += {"(": 1, ")": -1}.get(bare[at], 0)
        if depth < 0:
            return at
    return len(bare)
