"""Healthy services talk about permissions all day: no rule of any pack takes that for a refusal."""

from pathlib import Path

from shipped_rules import MATCHER

from service.domain import Verdict
from service.match.tidy import tidy

LINES = (Path(__file__).parent / "corpus" / "services.txt").read_text().splitlines()
MOST_ANSWERED = 0.01


def test_the_corpus_is_large_and_varied() -> None:
    assert len(set(LINES)) == len(LINES) >= 300


def test_no_rule_reads_a_refusal_into_a_healthy_line() -> None:
    fired = {
        line: [found.ready.rule.id for found in MATCHER.candidates(tidy(line), {})]
        for line in LINES
        if (match := MATCHER.match(line, {})) and match.verdict is Verdict.PERMISSION
    }
    assert fired == {}


def test_hardly_a_healthy_line_is_answered_at_all() -> None:
    answered = {line: match.rule.id for line in LINES if (match := MATCHER.match(line, {}))}
    assert len(answered) <= MOST_ANSWERED * len(LINES), answered


def test_a_healthy_log_as_a_whole_is_no_refusal_either() -> None:
    pages = ["\n".join(LINES[start : start + 12]) for start in range(0, len(LINES), 12)]
    fired = [(match.rule.id, page) for page in pages if (match := MATCHER.match(page, {}))]
    assert [(rule, page) for rule, page in fired if MATCHER.rules[rule].rule.verdict is Verdict.PERMISSION] == []
