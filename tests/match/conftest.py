"""A small pack, written in the test that needs it."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from service.match.matcher import Matcher
from service.rules.load import load_packs

_REST = """
explanation: The ledger says no.
fix: {summary: Ask the owner.}
references: ['https://example.com/denials']
examples: [{text: 'ledger refuses ada: read', expect: {}}]
counterexamples: [{text: 'all is well', why: nothing is refused}]
"""


def rule(rule_id: str, body: str, **defaults: str) -> str:
    """One rule as YAML: `body` plus the fields it leaves out."""
    fields = {"id": rule_id, "title": "Refused", "verdict": "permission", "cause": "missing_grant", "confidence": "likely", **defaults}
    given = dedent(body).strip("\n")
    rest = [block for block in _blocks(_REST) if not any(line.startswith(block.split(":")[0] + ":") for line in given.splitlines())]
    head = [f"{k}: {v}" for k, v in fields.items() if not any(line.startswith(f"{k}:") for line in given.splitlines())]
    return indent("\n".join([*head, given, *rest]), "    ").replace("    ", "  - ", 1)


def _blocks(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.fixture
def make_matcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Matcher]:
    """Write packs (system to list of rules, each from `rule`) and load them. A header goes in as `header`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(header: str = "", **packs: list[str]) -> Matcher:
        folder = tmp_path / "rules"
        folder.mkdir(exist_ok=True)
        for system, rules in packs.items():
            text = f"format: 1\nsystem: {system}\nowner: tests\n{dedent(header)}\nrules:\n" + "\n".join(rules) + "\n"
            (folder / f"{system}.yaml").write_text(text)
        return Matcher(load_packs(folder))

    return make
