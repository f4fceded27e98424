"""The part of HashiCorp's configuration language that policies are written in: blocks, attributes, texts, lists.

Source: github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md. Interpolations, functions, heredocs and arithmetic are not
worked out: a text with an interpolation is `Unknown`, references stay as their name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.proof.claim import InvalidArtifact, Unknown

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*+")|(?P<word>[\w.*-]+)|(?P<mark>[{}\[\]=,])|(?P<blank>\s+|(?:\#|//)[^\n]*+)|(?P<other>.)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"""\\(n|r|t|"|\\|u[0-9A-Fa-f]{4})|\$\$\{|%%\{|(\$\{|%\{)|\\""")
_DEEPEST = 20


@dataclass(frozen=True)
class Block:
    """`type "label" { ... }`; attributes by name, inner blocks in order."""

    type: str
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    blocks: tuple["Block", ...] = ()

    def inner(self, kind: str) -> tuple["Block", ...]:
        """The inner blocks of one type."""
        return tuple(one for one in self.blocks if one.type == kind)


@dataclass(frozen=True)
class Name:
    """A bare word: a reference, a number or a truth value."""

    text: str


def read_hcl(content: str) -> Block:
    """The file as a block without a type. Raises `InvalidArtifact` and `Unknown`."""
    reader = _Reader(content)
    return reader.body("", (), end=None, depth=0)


class _Reader:
    def __init__(self, content: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        for found in _TOKEN.finditer(content):
            if found.lastgroup == "other":
                raise Unknown(f"the character {found[0]!r}")
            if found.lastgroup != "blank":
                self.tokens.append((str(found.lastgroup), found[0]))
        self.at = 0

    def body(self, kind: str, labels: tuple[str, ...], *, end: str | None, depth: int) -> Block:
        _require(depth < _DEEPEST, "is nested too deeply")
        attributes: dict[str, Any] = {}
        blocks: list[Block] = []
        while self.peek() != end:
            kind_of, name = self.take()
            _require(kind_of == "word" or (kind_of == "text" and self.peek() == "="), f"{name or 'the end'} is no name")
            name = _text(name) if kind_of == "text" else name
            if self.peek() == "=":
                self.at += 1
                _require(name not in attributes, f"{name} stands twice")
                attributes[name] = self.value(depth)
            else:
                blocks.append(self.block(name, depth))
        self.at += 1
        return Block(kind, labels, attributes, tuple(blocks))

    def block(self, kind: str, depth: int) -> Block:
        labels = []
        while (taken := self.take())[1] != "{":
            _require(taken[0] in {"text", "word"}, f"{kind} is followed by {taken[1] or 'nothing'}")
            labels.append(_text(taken[1]) if taken[0] == "text" else taken[1])
        return self.body(kind, tuple(labels), end="}", depth=depth + 1)

    def value(self, depth: int) -> Any:
        kind, text = self.take()
        if kind == "text":
            return _text(text)
        if text == "[":
            return self.items(depth + 1)
        if text == "{":
            inner = self.body("", (), end="}", depth=depth + 1)
            return dict(inner.attributes)
        _require(kind == "word", f"{text or 'the end'} is no value")
        return Name(text)

    def items(self, depth: int) -> list[Any]:
        _require(depth < _DEEPEST, "is nested too deeply")
        found: list[Any] = []
        while self.peek() != "]":
            found.append(self.value(depth))
            if self.peek() == ",":
                self.at += 1
            else:
                _require(self.peek() == "]", "a list needs commas")
        self.at += 1
        return found

    def peek(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ("end", "")


def _text(token: str) -> str:
    return _ESCAPE.sub(_unescape, token[1:-1])


def _unescape(found: re.Match[str]) -> str:
    held = found[0]
    if found[2]:
        raise Unknown("an interpolation")
    if held in {"$${", "%%{"}:
        return held[1:]
    _require(len(held) > 1, "a backslash escapes nothing")
    if held[1] == "u":
        return chr(int(held.removeprefix("\\u"), 16))
    return {"n": "\n", "r": "\r", "t": "\t"}.get(held[1], held[1])


def write_text(value: str) -> str:
    """A quoted template that stands for exactly this text."""
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


def _require(held: bool, message: str) -> None:
    if not held:
        raise InvalidArtifact(f"is not HCL: {message}" if not message.startswith("is ") else message)
