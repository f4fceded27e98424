"""Every shipped rule proves itself: examples, counterexamples, rivals, clean logs. One test per system."""

import json
from pathlib import Path

import pytest
from shipped_rules import MATCHER

from service.match.check import Finding, check_rules, read_clean_texts
from service.rules.load import default_folder
from service.rules.model import Pack

pytestmark = pytest.mark.timeout(300)  # every rule of every pack at once
CLEAN = read_clean_texts(Path(__file__).parent / "corpus")


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return check_rules(MATCHER, CLEAN)


@pytest.mark.parametrize("pack", MATCHER.packs, ids=lambda pack: pack.system)
def test_rules_hold_what_they_promise(pack: Pack, findings: list[Finding]) -> None:
    ids = {rule.id for rule in pack.rules}
    assert [str(finding) for finding in findings if finding.rule in ids] == []


def test_the_clean_corpus_is_worth_its_name() -> None:
    assert sum(len(text.splitlines()) for text in CLEAN.values()) > 40


def test_the_published_schema_is_current() -> None:
    published = json.loads((default_folder() / "rule.schema.json").read_text())
    assert published == Pack.model_json_schema(), "run: whydenied rules schema > rules/rule.schema.json"
