"""The rule file format (docs/rules.md), as strict models. A pack is one system's file; rules keep the file's order."""

import hashlib
import json
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from service.domain import CAUSES_OF, ArtifactKind, Cause, Confidence, Verdict


def _join_pieces(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


class Strict(BaseModel):
    """Immutable; an unknown key is an error, so that a typing mistake is never silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Pattern = Annotated[tuple[str, ...], BeforeValidator(_join_pieces)]


class Matches(Strict):
    """A condition on one context field: a pattern, and whether the field must be there at all."""

    matches: str
    required: bool = False


class Lookup(Strict):
    """An extractor that looks in a capture, a context field (`context.path`) or, by default, the whole text."""

    pattern: str
    within: str = Field(default="text", alias="in")


class ArtifactTemplate(Strict):
    kind: ArtifactKind
    title: str
    content: str
    apply: str
    when: str | None = None


class FixTemplate(Strict):
    summary: str
    steps: tuple[str, ...] = ()
    risk: str | None = None
    undo: str | None = None
    artifacts: tuple[ArtifactTemplate, ...] = ()


class VerifyTemplate(Strict):
    command: str
    expect: str


class Example(Strict):
    text: str
    context: dict[str, Any] = {}
    expect: dict[str, Any]


class Counterexample(Strict):
    text: str
    context: dict[str, Any] = {}
    why: str


class Rule(Strict):
    """One known denial. `pieces` of a pattern are joined; see docs/rules.md for every field."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$")
    title: str
    verdict: Literal[Verdict.PERMISSION, Verdict.AUTHENTICATION, Verdict.OTHER]
    cause: Cause
    confidence: Literal[Confidence.CONFIRMED, Confidence.LIKELY]
    answers_as: str | None = None
    patterns: tuple[Pattern, ...] = Field(min_length=1)
    unless: tuple[str, ...] = ()
    when: dict[str, Matches | list[str | int | bool]] = {}
    extract: dict[str, tuple[str | Lookup, ...]] = {}
    derive: dict[str, str] = {}
    principal: str | None = None
    action: str | None = None
    resource: str | None = None
    missing_permissions: tuple[str, ...] = ()
    explanation: str
    fix: FixTemplate
    verify: VerifyTemplate | None = None
    references: tuple[str, ...] = Field(min_length=1)
    supersedes: tuple[str, ...] = ()
    fallback: bool = False
    examples: tuple[Example, ...] = Field(min_length=1)
    counterexamples: tuple[Counterexample, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.cause not in CAUSES_OF[self.verdict]:
            raise ValueError(f"cause {self.cause} cannot stand with verdict {self.verdict}")
        if self.verdict is not Verdict.PERMISSION and self.fix.artifacts:
            raise ValueError("only a permission failure may carry artifacts; say in the steps what to do instead")
        return self

    @property
    def pattern_texts(self) -> tuple[str, ...]:
        return tuple("".join(pieces) for pieces in self.patterns)

    def beats(self, other_id: str) -> bool:
        """Whether this rule supersedes the other by id or by `<system>.*`."""
        return any(fnmatchcase(other_id, wanted) for wanted in self.supersedes)


class Pack(Strict):
    """All rules of one system. `supersedes` of the pack holds for each of its rules.

    In an `ordered` pack each rule also supersedes those that stand below it.
    """

    format: Literal[1]
    system: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    owner: str
    layer: Literal["system", "general"] = "system"
    sql_dialect: Literal["postgresql", "mysql", "mssql", "oracle", "ansi"] = "ansi"
    supersedes: tuple[str, ...] = ()
    ordered: bool = False
    tables: dict[str, dict[str, Any]] = {}
    shared: Any = None
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_its_own(self) -> Self:
        seen: set[str] = set()
        for rule in self.rules:
            if not rule.id.startswith(f"{self.system}."):
                raise ValueError(f"rule id {rule.id} must start with {self.system}.")
            if rule.id in seen:
                raise ValueError(f"rule id {rule.id} is used twice")
            if self.layer == "general" and rule.confidence is Confidence.CONFIRMED:
                raise ValueError(f"{rule.id}: a general rule is likely at most")
            seen.add(rule.id)
        return self

    @cached_property
    def _places(self) -> dict[str, int]:
        return {rule.id: place for place, rule in enumerate(self.rules)}

    def beats(self, rule: Rule, other_id: str) -> bool:
        """Whether a rule of this pack supersedes the other, by its own word, the pack's, or the pack's order."""
        if rule.beats(other_id) or any(fnmatchcase(other_id, wanted) for wanted in self.supersedes):
            return True
        return self.ordered and self._places.get(other_id, -1) > self._places[rule.id]


def version_of(pack: Pack, rule: Rule) -> str:
    """The content hash stored with each answer: everything that decides it, examples left out. 12 hex digits."""
    content = rule.model_dump(mode="json", exclude={"examples", "counterexamples"})
    shared = {"tables": pack.tables, "dialect": pack.sql_dialect, "layer": pack.layer}
    return hashlib.sha256(json.dumps([content, shared], sort_keys=True).encode()).hexdigest()[:12]
