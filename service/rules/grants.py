"""The one linter of what a fix may never grant. Rules, reviews and the LLM stage all use it.

An artifact is over-broad when it grants more than any single denial can need: every action, every resource, an
administrator's role, everybody, or a protection switched off. `grant_words` holds the words, `grant_trees` the shapes.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import re2

from service.domain import ArtifactKind
from service.rules.grant_trees import find_in_tree, read_trees
from service.rules.grant_words import EVERYWHERE, IN_ACL, NARROWEST_GLOBAL, WRITTEN_OUT

_COMMENT = re.compile(r"/\*.*?\*/|(?<!\S)--(?:\s[^\n]*)?(?=\n|$)", re.DOTALL)
_QUOTING = re.compile(r"\$\{?IFS\}?|\|\|")
_CONCATENATION = re.compile(r"[\"']\s{0,40}\|\|\s{0,40}[\"']")
_QUOTES = str.maketrans("", "", "\"'`\\")
_LONGEST = 65_536

Row = tuple[str, str]


def find_overbroad(kind: ArtifactKind, content: str) -> list[str]:
    """Reasons why an artifact grants too much; empty where it is fine. Time is linear in its length."""
    text = _compile(NARROWEST_GLOBAL).sub("GRANT TO", unfold(content[:_LONGEST]))
    trees, rest = read_trees(text)
    reasons = [reason for tree in trees for reason in find_in_tree(tree)]
    reasons += _search(EVERYWHERE, _spellings(text))
    reasons += _search(WRITTEN_OUT, [rest])
    if kind is ArtifactKind.REDIS_ACL:
        reasons += _search(IN_ACL, _spellings(text))
    return list(dict.fromkeys(reasons))


def unfold(text: str) -> str:
    """The text in plain letters: no look-alike widths, no invisible characters, no continued lines."""
    plain = unicodedata.normalize("NFKC", text).replace("\\\r\n", " ").replace("\\\n", " ")
    return "".join(c for c in plain if unicodedata.category(c) not in {"Cf", "Cc", "Cs"} or c in "\n\t")


def _spellings(text: str) -> list[str]:
    bare = _COMMENT.sub(" ", text)
    unquoted = _QUOTING.sub(" ", _CONCATENATION.sub("", bare)).translate(_QUOTES)
    return list(dict.fromkeys([text, bare, unquoted]))


def _search(rows: tuple[Row, ...], spellings: Iterable[str]) -> Iterator[str]:
    texts = list(spellings)
    for pattern, reason in rows:
        if any(_compile(pattern).search(text) for text in texts):
            yield reason


@cache
def _compile(pattern: str) -> Any:
    return re2.compile(f"(?i){pattern}")
