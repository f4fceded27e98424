"""Which rule wins, what it captures, and that hostile text costs no more than its length."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from service.match.matcher import Matcher
from service.rules.load import RuleError
from service.rules.model import Pack

MakePack = Callable[..., Pack]


def winner(text: str, *packs: Pack, context: dict[str, Any] | None = None) -> str | None:
    match = Matcher(packs).match(text, context or {})
    return match.rule.id if match else None


def test_no_rule_means_no_match(make_pack: MakePack) -> None:
    assert winner("disk is full", make_pack("ledger", denied={"patterns": ["ledger refuses"]})) is None


def test_the_pattern_with_more_literal_characters_wins(make_pack: MakePack) -> None:
    pack = make_pack(
        "ledger",
        any_refusal={"patterns": ["ledger refuses"]},
        read_refusal={"patterns": [r"ledger refuses (?P<principal>\w+): read"]},
    )
    assert winner("ledger refuses ada: read", pack) == "ledger.read-refusal"


def test_a_superseded_rule_loses_even_when_it_is_more_specific(make_pack: MakePack) -> None:
    pack = make_pack(
        "ledger",
        long={"patterns": ["ledger refuses ada: read"]},
        short={"patterns": ["refuses"], "supersedes": ["ledger.long"]},
    )
    assert winner("ledger refuses ada: read", pack) == "ledger.short"


def test_a_pack_can_supersede_a_whole_system(make_pack: MakePack) -> None:
    broad = make_pack("disk", denied={"patterns": ["ledger refuses ada: read and everything else"]})
    own = make_pack("ledger", header={"supersedes": ["disk.*"]}, denied={"patterns": ["refuses"]})
    assert winner("ledger refuses ada: read and everything else", broad, own) == "ledger.denied"


def test_rules_that_supersede_each_other_leave_the_field_to_no_third(make_pack: MakePack) -> None:
    general = make_pack("general", header={"layer": "general"}, denied={"patterns": ["refuses ada"]})
    disk = make_pack("disk", header={"supersedes": ["ledger.*"]}, denied={"patterns": ["refuses"]})
    own = make_pack("ledger", header={"supersedes": ["disk.*"]}, denied={"patterns": ["ledger refuses"]})
    assert winner("ledger refuses ada", general, disk, own) == "ledger.denied"


def test_a_general_rule_never_beats_a_systems_own(make_pack: MakePack) -> None:
    general = make_pack("general", header={"layer": "general"}, denied={"patterns": ["ledger refuses ada: read"]})
    own = make_pack("ledger", denied={"patterns": ["refuses"]})
    assert winner("ledger refuses ada: read", general, own) == "ledger.denied"
    assert winner("ledger refuses ada: read", general) == "general.denied"


def test_thousands_of_patterns_are_told_apart(make_pack: MakePack) -> None:
    codes = make_pack(
        "ledger", **{f"code_{n}": {"patterns": [rf"ledger code L{n}[A-Z]{{2}} refuses"]} for n in range(2_500)}
    )
    matcher = Matcher([codes])
    for n in (0, 799, 800, 1_601, 2_499):
        match = matcher.match(f"ledger code L{n}AB refuses ada", {})
        assert match is not None
        assert match.rule.id == f"ledger.code-{n}"
    assert matcher.match("ledger code L2500AB refuses ada", {}) is None


def test_unless_vetoes_a_rule(make_pack: MakePack) -> None:
    pack = make_pack("ledger", denied={"patterns": ["refuses"], "unless": ["out of credit"]})
    assert winner("ledger refuses ada", pack) == "ledger.denied"
    assert winner("ledger refuses ada: out of credit", pack) is None


@pytest.mark.parametrize(
    ("condition", "context", "matches"),
    [
        ([401, 403], {"http_status": 403}, True),
        ([401, 403], {"http_status": "403"}, True),
        ([401, 403], {"http_status": 500}, False),
        ([401, 403], {}, True),
        ({"matches": "^40", "required": True}, {}, False),
        ({"matches": "^40", "required": True}, {"http_status": 404}, True),
    ],
)
def test_conditions_on_the_context_veto_only_what_they_contradict(
    make_pack: MakePack, condition: Any, context: dict[str, Any], matches: bool
) -> None:
    pack = make_pack("ledger", denied={"patterns": ["refuses"], "when": {"http_status": condition}})
    assert (winner("ledger refuses", pack, context=context) is not None) is matches


def test_captures_come_from_pattern_then_extractors_then_derivations(make_pack: MakePack) -> None:
    pack = make_pack(
        "ledger",
        header={"tables": {"right_of": {"read": "ledger:Read"}}},
        denied={
            "patterns": [r"refuses (?P<principal>\w+): (?P<action>\w+)"],
            "extract": {
                "resource": [r"book=(\w+)"],
                "host": [{"in": "context.url", "pattern": "https://([^/]+)"}],
                "principal": ["never looked at"],
            },
            "derive": {"right": "right_of[action] or action"},
            "missing_permissions": ["{{ right }}"],
        },
    )
    match = Matcher([pack]).match("book=Sales\nrefuses ada: read", {"url": "https://api.example.com/x"})
    assert match is not None
    answer = match.answer("a")
    assert (answer.principal, answer.action, answer.resource) == ("ada", "read", "Sales")
    assert match.captures["host"] == "api.example.com"
    assert answer.missing_permissions == ("ledger:Read",)


def test_evidence_quotes_the_text_as_sent_at_its_offsets(make_pack: MakePack) -> None:
    pack = make_pack("ledger", denied={"patterns": ['refuses "(?P<principal>[^"]+)"']})
    text = r'{"log": "\u001b[31mledger refuses \"ada\" now"}'
    match = Matcher([pack]).match(text, {})
    assert match is not None
    answer = match.answer("a")
    assert {e.field for e in answer.evidence} == {"denial", "principal"}
    assert all(text[e.start : e.end] == e.quote for e in answer.evidence)


def test_a_pattern_that_re2_refuses_names_its_rule(make_pack: MakePack) -> None:
    with pytest.raises(RuleError, match=r"ledger\.yaml ledger\.denied: pattern 1: .*look-around"):
        Matcher([make_pack("ledger", denied={"patterns": ["(?=x)"]})])


@pytest.mark.parametrize("hostile", ["a", "refuses ", '\\"', "((((", "x@x.", "ledger refuses ada"])
def test_matching_takes_time_in_proportion_to_the_text(make_pack: MakePack, hostile: str) -> None:
    pack = make_pack("ledger", denied={"patterns": [r"(?:\w+\s?)+: (?:[\w.-]+@[\w.-]+)* is (?:denied|refused)"]})
    matcher = Matcher([pack])

    def seconds(length: int) -> float:
        text = hostile * (length // len(hostile))
        best = []
        for _ in range(3):
            started = time.thread_time()
            matcher.match(text, {})
            best.append(time.thread_time() - started)
        return min(best)

    seconds(8_192)
    assert seconds(65_536) < 8 * 8 * max(seconds(8_192), 1e-4)
