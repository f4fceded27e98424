"""The reference in docs/connectors.md is what the code does."""

import os
import re
from pathlib import Path

import connectors
from connectors.fields import ALIASES, WRAPPERS

DOCS = Path(__file__).parents[2] / "docs" / "connectors.md"
ALIAS_BLOCK = re.compile(r"(<!-- aliases[^\n]*-->\n)(.*?)(<!-- end of aliases -->)", re.DOTALL)
SOURCES = re.compile(r"(<!-- sources[^\n]*-->\n)(.*?)(<!-- end of sources -->)", re.DOTALL)
INTERNAL = "vendor_error"


def alias_table() -> str:
    rows = [
        f"| `{field}` | {', '.join(f'`{name}`' for name in ALIASES[field])} |" for field in ALIASES if field != INTERNAL
    ]
    wrappers = ", ".join(f"`{name}`" for name in sorted(WRAPPERS))
    return "\n".join(["| field | its names, the best first |", "|---|---|", *rows, "", f"Wrappers: {wrappers}.", ""])


def test_the_aliases_in_the_docs_are_those_of_the_code():
    rewrite(ALIAS_BLOCK, alias_table())


def test_the_connectors_in_the_docs_are_those_of_the_code():
    rewrite(SOURCES, source_table())


def source_table() -> str:
    rows = [
        f"| {one.title} | `{one.name}` | {', '.join(f'`{scheme}`' for scheme in one.schemes)} |"
        for one in sorted(connectors.discover().values(), key=lambda one: one.title.lower())
    ]
    return "\n".join(["| source | connector | schemes, the recommended one first |", "|---|---|---|", *rows, ""])


def rewrite(block: re.Pattern[str], table: str) -> None:
    """Compare a block of the docs with the code, or bring it up to date where that is asked for."""
    text = DOCS.read_text(encoding="utf-8")
    current = block.sub(lambda found: found[1] + table + found[3], text)
    assert block.search(text)
    if os.environ.get("WHYDENIED_UPDATE_EXPECTED"):
        DOCS.write_text(current, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == current
