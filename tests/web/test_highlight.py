"""Event text is cut into segments: every character is shown, once, in order, and nothing invisible stays hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_site import make_answer

from service.domain import Evidence
from service.web.highlight import (
    Segment,
    highlight,
    highlight_part,
    is_invisible,
    mark_invisible,
    mark_placeholders,
    name_quotes,
)

TEXT = 'User "ana" cannot list pods'


def span(quote: str, field: str, text: str = TEXT) -> Evidence:
    start = text.index(quote)
    return Evidence(quote=quote, start=start, end=start + len(quote), field=field)


def test_marks_each_quoted_field() -> None:
    assert highlight(TEXT, [span("ana", "principal"), span("list", "action")]) == [
        Segment('User "'),
        Segment("ana", fields=("principal",)),
        Segment('" cannot '),
        Segment("list", fields=("action",)),
        Segment(" pods"),
    ]


def test_overlapping_spans_share_the_overlap() -> None:
    assert [s.fields for s in highlight(TEXT, [span("cannot list", "action"), span("list pods", "resource")])] == [
        (),
        ("action",),
        ("action", "resource"),
        ("resource",),
    ]


@pytest.mark.parametrize(("start", "end"), [(3, 99), (2, 2), (4, 1), (0, 2)])
def test_a_span_that_does_not_quote_the_text_is_ignored(start: int, end: int) -> None:
    assert highlight("short", [Evidence(quote="x", start=start, end=end, field="action")]) == [Segment("short")]


def test_a_mask_is_its_own_segment() -> None:
    segments = highlight("key [redacted:anthropic_key:3f9c] refused", [])
    assert segments[1] == Segment("[redacted:anthropic_key:3f9c]", "mask")


def test_invisible_characters_become_marks() -> None:
    assert mark_invisible("a\u202eb\x1b[31m\x00") == "a⟨U+202E⟩b⟨U+001B⟩[31m⟨U+0000⟩"
    assert mark_invisible("line\r\nnext\ttab") == "line\nnext\ttab"
    assert highlight("a\u200bb", [])[1] == Segment("⟨U+200B⟩", "invisible")


def test_of_a_long_text_the_part_around_the_first_quote_is_shown() -> None:
    text = "a" * 1000 + "denied" + "b" * 1000
    parts = highlight_part(text, [span("denied", "action", text)], limit=100)
    assert parts[0] == Segment("[975 characters left out]", "cut")
    assert parts[2] == Segment("denied", fields=("action",))
    assert parts[-1] == Segment("[931 characters left out]", "cut")
    assert highlight_part(text, [], limit=5000) == [Segment(text)]


def test_placeholders_are_marked_as_whole_words_only() -> None:
    segments = mark_placeholders("GRANT x TO ROLE; -- ROLE_NAME", ["ROLE"])
    assert [s.text for s in segments if s.kind == "placeholder"] == ["ROLE"]


@given(st.text(), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_segments_join_to_the_whole_visible_text(text: str, bounds: list[tuple[int, int]]) -> None:
    spans = [Evidence(quote=text[start:end], start=start, end=end, field="action") for start, end in bounds]
    joined = "".join(segment.text for segment in highlight(text, spans))
    assert not any(is_invisible(character) for character in joined)
    if "\r" not in text:
        assert joined == mark_invisible(text)


def test_quotes_have_the_names_that_readers_know() -> None:
    text = 'User "ana" may not list pods in shop'
    fields = {"who": "ana", "verb": "list", "resource": "pods", "where": "shop"}
    answer = make_answer(text, {"id": "x", "principal": "ana", "action": "list", "resource": "pods",
                                "evidence": [span(quote, field, text) for field, quote in fields.items()]})  # fmt: skip
    assert [one.field for one in name_quotes(answer)] == ["principal", "action", "resource", "denial"]
    assert name_quotes(None) == []


@pytest.mark.parametrize("text", ['"' * 999, "a\u202e" * 500, "[redacted:api_key:3f9c] " * 50])
def test_what_is_heavy_on_a_page_is_cut_short(text: str) -> None:
    shown = highlight_part(text, [], limit=400)
    assert 10 < sum(len(one.text) for one in shown[:-1]) <= 400
    assert shown[-1].kind == "cut"
