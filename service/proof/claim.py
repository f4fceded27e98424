"""What was denied, and what a checker says about a change that should allow it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.domain import Answer, Cause


class Outcome(StrEnum):
    """grants: the denied request is allowed afterwards. abstains: the checker cannot tell, and says why.

    companion: it grants something else, beside a first artifact that answers the denial. invalid: not in its language.
    """

    GRANTS = "grants"
    COMPANION = "companion"
    ABSTAINS = "abstains"
    DOES_NOT_GRANT = "does not grant"
    INVALID = "invalid"


@dataclass(frozen=True)
class Denied:
    """The denied request as an answer states it; `text` is the event's, which may say more (a namespace)."""

    cause: Cause | None = None
    system: str | None = None
    principal: str | None = None
    action: str | None = None
    resource: str | None = None
    missing: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def of(cls, answer: Answer, text: str = "") -> "Denied":
        """What an answer says was denied."""
        return cls(
            answer.cause,
            answer.system,
            answer.principal,
            answer.action,
            answer.resource,
            answer.missing_permissions,
            text,
        )


@dataclass(frozen=True)
class Proof:
    """One artifact checked. `overgrants` are neighbouring requests that would be allowed too, in words."""

    family: str
    outcome: Outcome
    reason: str = ""
    overgrants: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """Reasons to refuse the artifact; empty where it is proven or the checker abstains."""
        said = {Outcome.DOES_NOT_GRANT: "does not grant what was denied: ", Outcome.INVALID: ""}
        wrong = (said[self.outcome] + self.reason,) if self.outcome in said else ()
        return wrong + self.overgrants


class InvalidArtifact(ValueError):
    """The content is not in its language, or not a form that the language's owner accepts. The message says what."""


class Unknown(ValueError):
    """The content says something that the checker does not know: it abstains. The message says what."""


def judge(family: str, *, short: str | None, overgrants: tuple[str, ...] = ()) -> Proof:
    """A proof that grants unless `short` says what is missing."""
    outcome = Outcome.DOES_NOT_GRANT if short else Outcome.GRANTS
    return Proof(family, outcome, short or "", tuple(dict.fromkeys(overgrants)))


def fill(value: str, values: Mapping[str, str]) -> str:
    """A text with its placeholders replaced, longest first so that none eats another's letters."""
    for name in sorted(values, key=len, reverse=True):
        value = value.replace(name, values[name])
    return value
