"""Where a value ends: quoted at any depth of escaping, or a run of characters up to a delimiter."""

import re
from typing import NamedTuple

QUOTE = r"""(?:\\{0,15}["'`]|&(?:quot|apos|\#0?3[49]|\#x2[27]);|\\{1,8}[uU]002[27]|\\{1,8}x2[27]|%(?:25){0,2}2[27])"""
"""An opening or closing quote: plain, escaped for JSON any number of times, as an entity or percent-encoded."""

_OPENING = re.compile(rf"(?:[bBuUrRfF]{{1,2}}(?=[\"'\\]))?({QUOTE})")
_PLAIN = {quote: re.compile(rf"[^{quote}\\\n]*+(?:\\.[^{quote}\\\n]*+)*+") for quote in "\"'`"}
_LINE = re.compile(r"(?:[^\r\n\\]++|\\(?!\\{0,8}[rn]))*+")
_WINDOW = 8192
_CUT = 256
_DELIMITER = r"""[,;&|)\]}](?![\s,;&|)\]}"'`\\<]|$|[A-Za-z_][\w.-]{0,40}(?:[=:]|%3[aAdD]))|\\(?![nrtbfu"'`/\\])"""
_RUN = re.compile(rf"""(?:[^\s"'`<>\\,;&|)\]}}]++|{_DELIMITER})*+""")
_ENCODED_RUN = re.compile(
    rf"""(?:[^\s"'`<>\\,;&|)\]}}%]++|%(?!(?:25){{0,2}}(?:20|2[267cC]|3[bBcCeE]|0[aAdD]|5[dD]|7[dD]))|{_DELIMITER})*+"""
)
_ATOM = re.compile(r"\$\{\{?[^{}\n]{0,80}\}\}?|\{\{[^{}\n]{0,80}\}\}")
_WORD = re.compile(r"\S*+")
_TRAILING = ".,;:!?"
_ALONE = re.compile(r"""[ \t.]{0,4}(?:$|[\r\n,;})\]|&"'`<]|\\+[rn"'])""")
_CLOSE_TO_CUT = 32


class Value(NamedTuple):
    """`text[start:end]`, and whether quotes stood around it and nothing but a delimiter follows it.

    An unquoted value of more than 256 characters is read in part until `whole_end` is asked for: a judgement needs no
    more, and reading every rejected value to its end would not be linear.
    """

    start: int
    end: int
    quoted: bool
    alone: bool
    run: re.Pattern[str] | None


def read_value(text: str, position: int, *, encoded: bool = False, word: bool = False) -> Value | None:
    """The value that starts at `position`, or None where none does.

    `encoded`: percent-encoded delimiters end it. `word`: only white space ends it, if it is not quoted.
    """
    start, quote = open_quote(text, position)
    if quote:
        return Value(start, _end_of_quoted(text, start, quote), quoted=True, alone=True, run=None)
    run = _WORD if word else _ENCODED_RUN if encoded else _RUN
    end = _end_of_run(text, position, run)
    if end == position:
        return None
    return Value(position, end, quoted=False, alone=_ALONE.match(text, end) is not None, run=run)


def open_quote(text: str, position: int) -> tuple[int, str]:
    """Where the content starts, and the quote before it (empty where there is none)."""
    opening = _OPENING.match(text, position)
    return (opening.end(), opening.group(1)) if opening else (position, "")


def whole_end(text: str, value: Value) -> int:
    """The real end of a value whose reading may have been cut short."""
    if value.run is None or value.end - value.start < _CUT - _CLOSE_TO_CUT:
        return value.end
    rest = value.run.match(text, value.end)
    return rest.end() if rest else value.end


def end_of_line(text: str, position: int) -> int:
    """The end of the line that `position` is in; an escaped line break ends it too."""
    line = _LINE.match(text, position)
    return line.end() if line else position


def _end_of_run(text: str, position: int, run: re.Pattern[str]) -> int:
    start = position
    while atom := _ATOM.match(text, start):
        start = atom.end()
    found = run.match(text, start, start + _CUT)
    end = found.end() if found else start
    while end > position and text[end - 1] in _TRAILING:
        end -= 1
    return end


def _end_of_quoted(text: str, start: int, quote: str) -> int:
    plain = _PLAIN.get(quote)
    if plain:
        body = plain.match(text, start)
        return body.end() if body else start
    end = text.find(quote, start, start + _WINDOW)
    while end > start and quote[0] == "\\" and text[end - 1] == "\\":
        end = text.find(quote, end + 1, start + _WINDOW)
    return end if end >= 0 else end_of_line(text, start)
