"""The reference in docs/connectors.md is what the code does."""

import os
import re
from pathlib import Path

import connectors
from connectors.fields import ALIASES, WRAPPERS

DOCS = Path(__file__).parents[2] / "docs" / "connectors.md"
BLOCK = re.compile(r"(<!-- aliases[^\n]*-->\n)(.*?)(<!-- end of aliases -->)", re.DOTALL)
INTERNAL = "vendor_error"


def alias_table() -> str:
    rows = [
        f"| `{field}` | {', '.join(f'`{name}`' for name in ALIASES[field])} |" for field in ALIASES if field != INTERNAL
    ]
    wrappers = ", ".join(f"`{name}`" for name in sorted(WRAPPERS))
    return "\n".join(["| field | its names, the best first |", "|---|---|", *rows, "", f"Wrappers: {wrappers}.", ""])


def test_the_aliases_in_the_docs_are_those_of_the_code():
    text = DOCS.read_text(encoding="utf-8")
    current = BLOCK.sub(lambda found: found[1] + alias_table() + found[3], text)
    if os.environ.get("WHYDENIED_UPDATE_EXPECTED"):
        DOCS.write_text(current, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == current


def test_every_connector_and_its_schemes_are_documented():
    text = DOCS.read_text(encoding="utf-8")
    for connector in connectors.discover().values():
        assert connector.title.split()[-1] in text
        for scheme in connector.schemes:
            assert f"`{scheme}`" in text
