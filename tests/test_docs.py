"""What is not documented does not exist: causes, commands and routes are compared with the pages that list them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli import build_app
from service.domain import CAUSES_OF, ArtifactKind, Cause, Verdict

DOCS = Path(__file__).parents[1] / "docs"
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_documented_with_its_verdicts(cause: Cause) -> None:
    causes = (DOCS / "answer.md").read_text().split("## Causes")[1]
    row = re.search(rf"^\| `{cause}` \| ([^|]+) \|", causes, re.MULTILINE)
    assert row, f"docs/answer.md has no row for the cause {cause}"
    assert set(row.group(1).strip().split(", ")) == {
        verdict.value for verdict in Verdict if cause in CAUSES_OF[verdict]
    }


@pytest.mark.parametrize("kind", ArtifactKind)
def test_every_artifact_kind_is_documented(kind: ArtifactKind) -> None:
    assert f"`{kind}`" in (DOCS / "answer.md").read_text()
    assert f"`{kind}`" in (DOCS / "rules.md").read_text()


def commands(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name
    for child in (children or {}).values():
        yield from commands(child, f"{name} {child.name}")


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(build_app()), "whydenied")))
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in (DOCS / "cli.md").read_text(), f"docs/cli.md does not mention `{command}`"


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []
