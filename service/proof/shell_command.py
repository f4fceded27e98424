"""Shell scripts as plain commands: words and options, and nothing that a shell would work out."""

import shlex
from dataclasses import dataclass

from service.proof.claim import InvalidArtifact, Unknown

_OPERATORS = frozenset("();<>|&")


@dataclass(frozen=True)
class Command:
    """One command: its `words` without options, and each option with its values ("" for a flag)."""

    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.words[0].rpartition("/")[2].removesuffix(".sh")

    def option(self, *names: str) -> str | None:
        """The value of an option by any of its names; None where it is not given."""
        return next((value for name, value in self.options if name in names), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of an option."""
        return tuple(value for one, value in self.options if one == name)


def read_commands(content: str, flags: frozenset[str] = frozenset()) -> tuple[Command, ...]:
    """One command a line. `flags` are options that take no value. Raises `InvalidArtifact` and `Unknown`."""
    lines = content.replace("\\\n", " ").splitlines()
    commands = [_read(line, flags) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not commands:
        raise InvalidArtifact("holds no command")
    return tuple(commands)


def _read(line: str, flags: frozenset[str]) -> Command:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise InvalidArtifact(f"is not a shell command ({error})") from None
    if any(set(word) <= _OPERATORS for word in words if word) or "`" in line or "$(" in line:
        raise Unknown("a line that the shell works out before it runs")
    return _sort(words, flags)


def _sort(words: list[str], flags: frozenset[str]) -> Command:
    plain: list[str] = []
    options: list[tuple[str, str]] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-" or not plain:
            plain.append(word)
        elif equals and word.startswith("--"):
            options.append((name, value))
        elif word in flags:
            options.append((word, ""))
        else:
            options.append((word, next(rest, "")))
    if not plain:
        raise InvalidArtifact("holds no command")
    return Command(tuple(plain), tuple(options))
