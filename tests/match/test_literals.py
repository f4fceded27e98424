"""Which patterns are worth running on a text: never too few, and few where their literals are rare."""

import pytest

from service.match.index import LiteralIndex
from service.match.literals import conditions_of
from service.match.pattern import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "conditions"),
    [
        ("Access denied", ((("access denied",),),)),
        ("access denied|not allowed", ((("access denied",),), (("not allowed",),))),
        (r"denied (?P<who>\w+) by policy", (((" by policy",), ("denied ",)),)),
        ("may(?: not)? read", ((("may read", "may not read"),),)),
        ("(?:user|role) (?:may|can)not", ((("role cannot", "role maynot", "user cannot", "user maynot"),),)),
        ("denied{2,3}", ((("denie",),),)),
        ("(?:denied)+ here", ((("denied",), (" here",)),)),
        ("[Dd]enied", ((("denied",),),)),
        (r"\Qa.b(\E\.read\x21", ((("a.b(.read!",),),)),
        (r"\bno\s+access\b", ((("access",),),)),
        ("权限", ((("权限",),),)),
        (r"(?i)\w+ \d{3}", ((),)),
        (r"ok|\w+", ((), ())),
    ],
)
def test_conditions_are_the_longest_literals_that_every_match_holds(
    pattern: str, conditions: tuple[tuple[tuple[str, ...], ...], ...]
) -> None:
    assert conditions_of(pattern) == conditions


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("access denied", "ACCESS DENIED"),
        ("keine straße", "KEINE STRAẞE"),
        ("skip", "\u017f\u212aip"),
        ("(?:a{2}|b)[.]c{1,2}(?:denied)?", "x AA.C y"),
        (r"[\]x] refused", "] refused"),
        (r"[^]] refused", "x refused"),
        (r"[[:alpha:]] refused", "x refused"),
        (r"\pL refused \x{4e2d}", "é refused 中"),
        (r"(?s)(?:no|not) .{0,9}(?:access|entry)", "not in your entry"),
        (r"a\|b\(c\)\{d\}", "A|B(C){D}"),
    ],
)
def test_a_pattern_that_matches_is_always_possible(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).search(text)
    assert LiteralIndex([conditions_of(pattern)]).possible(text) == [0]


def test_only_patterns_whose_literals_the_text_holds_are_possible() -> None:
    patterns = ["ledger refuses", r"ledger \w+ book", "book|disk", r"\w+"]
    index = LiteralIndex([conditions_of(pattern) for pattern in patterns])
    assert index.possible("the ledger refuses ada") == [0, 3]
    assert index.possible("the ledger is a book") == [1, 2, 3]
    assert index.possible("") == [3]
