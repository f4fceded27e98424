"""The rule checks find what they are for: each test breaks one thing and expects its finding."""

from collections.abc import Callable
from typing import Any

import pytest

from service.match.check import check_rules
from service.match.matcher import Matcher
from service.match.specificity import optional_groups
from service.rules.model import Pack

TEXT = "ledger refuses ada: read"
GOOD: dict[str, Any] = {
    "patterns": [r"ledger refuses (?P<principal>\w+): (?P<action>\w+)"],
    "examples": [{"text": TEXT, "expect": {"principal": "ada", "action": "read"}}],
}
ARTIFACT = {"kind": "sql", "title": "Grant", "content": "GRANT SELECT ON ledger TO {{ principal }};", "apply": "owner"}


def problems(*packs: Pack, clean: str = "") -> list[str]:
    return [finding.problem for finding in check_rules(Matcher(packs), {"clean.txt": clean})]


def test_a_good_rule_has_no_finding(make_pack: Callable[..., Pack]) -> None:
    assert (
        problems(make_pack("ledger", denied={**GOOD, "fix": {"summary": "Grant it.", "artifacts": [ARTIFACT]}})) == []
    )


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"examples": [{"text": "unrelated", "expect": {}}]}, "is not matched by its own rule"),
        ({"examples": [{"text": TEXT, "expect": {"principal": "bob"}}]}, "principal is 'ada', expected 'bob'"),
        ({"examples": [{"text": TEXT, "expect": {"user": "ada"}}]}, "no field of the answer and no capture"),
        ({"counterexamples": [{"text": TEXT, "why": "it is not"}]}, "counterexample 1 is matched"),
        ({"explanation": "{{ principle }} may not."}, "did you mean 'principal'?"),
        ({"explanation": "{{ principal"}, "explanation:"),
        ({"extract": {"host": ["host=(\\S+)"]}, "title": "{{ host }} says no"}, "writes NOT_STATED"),
        ({"derive": {"right": "action.nothing.more"}}, "does not render"),
        (
            {
                "patterns": [r"ledger refuses (?P<principal>\w+)(?:: (?P<action>\w+))?"],
                "title": "{{ principal }} may not {{ action }}",
            },
            "writes NOT_STATED in title when the text does not state action",
        ),
        ({"extract": {"right": [": (read)"]}, "explanation": "{{ right.upper() }}"}, "does not render"),
        ({"unless": ["(?!x)"]}, "look-around"),
        ({"references": ["http://example.com"]}, "must be an https:// page"),
        (
            {"fix": {"summary": "s", "artifacts": [{**ARTIFACT, "content": "GRANT ALL PRIVILEGES ON l TO r;"}]}},
            "all privileges",
        ),
        (
            {"fix": {"summary": "s", "artifacts": [{**ARTIFACT, "kind": "json-policy", "content": "{"}]}},
            "is not valid json-policy",
        ),
        ({"cause": "explicit_deny", "fix": {"summary": "s", "artifacts": [ARTIFACT]}}, "takes no artifact"),
    ],
)
def test_finds(make_pack: Callable[..., Pack], change: dict[str, Any], finding: str) -> None:
    found = problems(make_pack("ledger", denied={**GOOD, **change}))
    assert any(finding in problem for problem in found), found


def test_groups_that_are_absent_together_are_left_out_together() -> None:
    pattern = r"(?:by (?P<user>\w+)@(?P<host>\w+))? may (?:(?P<verb>read)|(?P<other>write \[(?P<size>[|)]+)\])?) it"
    together = [{"user", "host"}, {"verb"}, {"other", "size"}]
    assert set(optional_groups(pattern)) == set(map(frozenset, together))


def test_finds_two_rules_that_know_one_text(make_pack: Callable[..., Pack]) -> None:
    rival = {"patterns": ["refuses ada"], "examples": [{"text": "disk refuses ada", "expect": {}}]}
    found = problems(make_pack("ledger", denied=GOOD), make_pack("disk", denied=rival))
    assert found == ["example 1: is matched by disk.denied too: one of them must supersede the other"]


def test_a_fallback_of_the_same_pack_is_no_rival(make_pack: Callable[..., Pack]) -> None:
    fallback = {"patterns": ["refuses"], "fallback": True, "examples": [{"text": "ledger refuses", "expect": {}}]}
    assert problems(make_pack("ledger", denied=GOOD, anything=fallback)) == []


def test_finds_a_rule_that_fires_on_a_healthy_log(make_pack: Callable[..., Pack]) -> None:
    found = problems(make_pack("ledger", denied=GOOD), clean="start\nledger refuses ada: read\n")
    assert found == ["fires on the clean log clean.txt:2: 'ledger refuses ada: read'"]


def test_finds_a_pattern_that_the_filter_cannot_leave_out(make_pack: Callable[..., Pack]) -> None:
    vague = {**GOOD, "patterns": [*GOOD["patterns"], r"(?P<principal>\w+) (?:is|no|in) [a-z]* refuses?d"]}
    clean = "\n".join(f"worker {number} is in its room, nobody refused" for number in range(60))
    [found] = problems(make_pack("ledger", denied=vague), clean=clean)
    assert "10 of 10 clean lines hold the literals of pattern 2" in found


def test_of_one_system_it_shows_the_rivals_in_others_too(make_pack: Callable[..., Pack]) -> None:
    rival = {"patterns": ["refuses ada"], "examples": [{"text": "disk refuses ada", "expect": {}}]}
    matcher = Matcher([make_pack("ledger", denied=GOOD), make_pack("disk", denied=rival)])
    found = [finding.problem for finding in check_rules(matcher, {}, only="disk")]
    assert found == ["matches example 1 of ledger.denied too: one of them must supersede the other"]
