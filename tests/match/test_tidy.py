"""The view that rules match: what a carrier adds is undone, and offsets lead back to the text as sent."""

import html
import json
import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from service.match.tidy import tidy

SENTENCE = 'User "ada" may not read\nthe "ledger"'


@pytest.mark.parametrize(
    "carried",
    [
        json.dumps({"msg": SENTENCE}),
        json.dumps({"log": json.dumps({"msg": SENTENCE})}),
        json.dumps(json.dumps(json.dumps({"msg": SENTENCE}))),
        SENTENCE.replace("\n", "\r\n"),
        SENTENCE.replace("User", "\x1b[1;31mUser\x1b[0m"),
        SENTENCE.replace('"', "&quot;"),
        SENTENCE.replace('"', "&amp;#34;"),
        html.escape(json.dumps({"msg": SENTENCE})),
        html.escape(json.dumps({"log": json.dumps({"msg": SENTENCE})})),
    ],
    ids=[
        "json",
        "json twice",
        "json three times",
        "crlf",
        "ansi",
        "html",
        "html twice",
        "json, html",
        "json twice, html",
    ],
)
def test_undoes_the_carrier(carried: str) -> None:
    assert SENTENCE in tidy(carried).text


def test_undoes_the_quotes_of_printed_python_bytes() -> None:
    body = b"Permission 'ledger.read' denied on resource \"ledger\""
    assert "Permission 'ledger.read' denied" in tidy(f"upstream said {body!r}").text


def test_leaves_a_windows_path_alone() -> None:
    assert tidy(r"open C:\new\table denied").text == r"open C:\new\table denied"


def test_costs_nothing_where_there_is_nothing_to_undo() -> None:
    view = tidy(SENTENCE)
    assert view.text is view.original


@given(st.text(alphabet='ab"\\\n\r\x1b[m;&quot1n', max_size=80), st.text(alphabet="xyz", min_size=3, max_size=5))
def test_offsets_of_untouched_words_lead_back_to_them(noise: str, word: str) -> None:
    text = f"{noise} {word} {noise}"
    view = tidy(text)
    assume(f" {word} " in view.text)  # else the noise was an escape sequence that swallowed it
    start = view.text.rfind(f" {word} ") + 1
    begin, end = view.origin_span(start, start + len(word))
    assert text[begin:end] == word


@example("\x1b\\0\\n")  # what is taken away at the very start moves all that follows
@given(st.text(alphabet='a"\\u0&;lt\x1b[]mn\r\n', max_size=120))
def test_every_offset_stays_inside_the_original_and_never_goes_back(text: str) -> None:
    view = tidy(text)
    origins = [view.origin(position) for position in range(len(view.text) + 1)]
    assert origins == sorted(origins)
    assert all(0 <= origin <= len(text) for origin in origins)


@pytest.mark.parametrize("piece", ['\\\\\\"', "&amp;", "\x1b]x", "\\u0041", "\r\n", "\x1b["])
def test_takes_time_in_proportion_to_a_hostile_text(piece: str) -> None:
    def seconds(times: int) -> float:
        started = time.thread_time()
        tidy(piece * times)
        return time.thread_time() - started

    seconds(2_000)
    assert min(seconds(32_000) for _ in range(3)) < 16 * 6 * max(min(seconds(2_000) for _ in range(3)), 1e-4)
