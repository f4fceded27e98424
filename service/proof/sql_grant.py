"""SQL grants, by a strict grammar of our own: what a GRANT hands out, on what, to whom.

Dialects differ in privileges and kinds of object, hardly in shape:
GRANT privileges [ON [kind] object] TO [kind] grantee.
A general SQL parser is of little help here: those at hand read GRANT of one dialect, or as an opaque command.
"""

import re
from dataclasses import dataclass

from service.proof.claim import InvalidArtifact, Unknown

_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"]|"")*+"|`[^`]*+`|\[[^\]]*+\]|'(?:[^']|'')*+')|(?P<word>[\w$#%-]+)|(?P<mark>[.,();@*:])"""
    r"""|(?P<blank>\s+|--[^\n]*+)|(?P<other>.)""",
    re.DOTALL,
)
KINDS = frozenset(
    "TABLE VIEW SCHEMA DATABASE SEQUENCE FUNCTION PROCEDURE ROUTINE TYPE DOMAIN LANGUAGE SERVER FOREIGN DATA WRAPPER "
    "TABLESPACE PARAMETER RELATION WAREHOUSE STAGE CATALOG EXTERNAL LOCATION VOLUME STREAM TASK PIPE INTEGRATION "
    "OBJECT LARGE "
    "KEYSPACE MATERIALIZED RESOURCE".split()
)
_GRANTEES = frozenset({"ROLE", "USER", "GROUP"})
_EVERYBODY = frozenset({"public", "all"})
_END = ""


@dataclass(frozen=True)
class Token:
    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Grant:
    """One GRANT. `privileges` are upper case with their columns; `name` has the object's parts, empty for none."""

    privileges: tuple[str, ...]
    kind: str
    name: tuple[str, ...]
    grantees: tuple[str, ...]

    @property
    def object(self) -> str:
        return ".".join(self.name)


def read_grants(content: str) -> tuple[Grant, ...]:
    """The grants of a script. Raises `InvalidArtifact`, and `Unknown` where it does anything but grant."""
    statements = split_statements(content)
    if not statements:
        raise InvalidArtifact("holds no statement")
    grants = []
    for tokens in statements:
        head = tokens[0].text.upper()
        if head == "USE" and len(tokens) == 2:
            continue
        grants.append(_Reader(tokens).read() if head == "GRANT" else _read_alter(tokens))
    if not grants:
        raise InvalidArtifact("holds no GRANT")
    return tuple(grants)


def _read_alter(tokens: list[Token]) -> Grant:
    """ALTER ROLE r ADD MEMBER m, or one attribute of one role: the two that hand out a right. Raises `Unknown`."""
    words = [token.text.upper() for token in tokens]
    if words[:2] in (["ALTER", "ROLE"], ["ALTER", "USER"]) and len(tokens) > 3:
        if words[3:5] == ["ADD", "MEMBER"] and len(tokens) == 6:
            return Grant((words[2],), "", (), (tokens[5].text,))
        if len(tokens) == 4:
            return Grant((words[3],), "", (), (tokens[2].text,))
    raise Unknown(f"a statement that is no GRANT ({' '.join(token.text for token in tokens[:3])})")


def split_statements(content: str) -> list[list[Token]]:
    """The tokens of each statement. Raises `InvalidArtifact` for a character outside of SQL's names and marks."""
    statements: list[list[Token]] = [[]]
    for found in _TOKEN.finditer(content):
        kind, text = found.lastgroup, found[0]
        if kind == "other":
            raise Unknown(f"the character {text!r}")
        if text == ";":
            statements.append([])
        elif kind == "quoted":
            statements[-1].append(Token(unquote(text), quoted=True))
        elif kind != "blank":
            statements[-1].append(Token(text))
    return [one for one in statements if one]


def unquote(text: str) -> str:
    """A name without its quotes, whichever the dialect uses."""
    if len(text) > 1 and (text[0], text[-1]) in {('"', '"'), ("`", "`"), ("[", "]"), ("'", "'")}:
        return text[1:-1].replace(text[-1] * 2, text[-1])
    return text


class _Reader:
    """One GRANT, left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 1

    def read(self) -> Grant:
        privileges = self._privileges()
        kind, name = self._object() if self._skip("ON") else ("", ())
        if not self._skip("TO"):
            raise InvalidArtifact("a GRANT needs TO and a grantee")
        grantees = self._grantees()
        if self.at < len(self.tokens):
            raise InvalidArtifact(f"goes on after the grantee: {self.tokens[self.at].text}")
        return Grant(privileges, kind, name, grantees)

    def _privileges(self) -> tuple[str, ...]:
        found: list[str] = []
        words: list[str] = []
        while self._next() not in {"ON", "TO", _END}:
            if self._skip(","):
                found.append(" ".join(words))
                words = []
            elif self._skip("("):
                words.append(f"({', '.join(self._columns())})")
            else:
                words.append(self.tokens[self.at].text)
                self.at += 1
        found.append(" ".join(words))
        if not all(found):
            raise InvalidArtifact("a GRANT names privileges, with commas between them")
        return tuple(one.upper() for one in found)

    def _columns(self) -> list[str]:
        columns = []
        while not self._skip(")"):
            if self.at >= len(self.tokens):
                raise InvalidArtifact("a bracket is not closed")
            if not self._skip(","):
                columns.append(self.tokens[self.at].text)
                self.at += 1
        return columns

    def _object(self) -> tuple[str, tuple[str, ...]]:
        kinds = []
        while self._next() in KINDS and not self.tokens[self.at].quoted and self._after() not in {"TO", ".", _END}:
            kinds.append(self._next())
            self.at += 1
        name = self._name()
        if self._skip("("):
            self._columns()
        return " ".join(kinds), name

    def _name(self) -> tuple[str, ...]:
        parts: list[str] = []
        while self._next() not in {"TO", "(", _END}:
            if not self._skip(".") and not self._skip(":"):
                parts.append(self.tokens[self.at].text)
                self.at += 1
        if not parts:
            raise InvalidArtifact("ON needs an object")
        return tuple(parts)

    def _grantees(self) -> tuple[str, ...]:
        found = []
        while True:
            if self._next() in _GRANTEES and self._after() not in {",", _END}:
                self.at += 1
            if self.at >= len(self.tokens):
                raise InvalidArtifact("TO needs a grantee")
            name = self.tokens[self.at].text
            quoted = self.tokens[self.at].quoted
            self.at += 1
            if self._skip("@") and self.at < len(self.tokens):
                name += "@" + self.tokens[self.at].text
                self.at += 1
            if name.lower() in _EVERYBODY and not quoted:
                raise InvalidArtifact(f"grants to everybody ({name})")
            found.append(name)
            if not self._skip(","):
                return tuple(found)

    def _next(self) -> str:
        return self.tokens[self.at].text.upper() if self.at < len(self.tokens) else _END

    def _after(self) -> str:
        return self.tokens[self.at + 1].text.upper() if self.at + 1 < len(self.tokens) else _END

    def _skip(self, word: str) -> bool:
        if self._next() != word or self.tokens[self.at].quoted:
            return False
        self.at += 1
        return True
