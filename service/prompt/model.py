"""One checked prompt and what rendering it gives. No clock, no environment, no randomness enters a prompt."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import Template, TemplateError
from pydantic import BaseModel, ConfigDict, Field

BLOCKS = ("system", "user")


class PromptError(ValueError):
    """A prompt file or the values for it are wrong. The message names the file, the place and what to do."""


class Head(BaseModel):
    """The front matter of a prompt file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    purpose: str
    model: Literal["default"]
    effort: Literal["low", "medium", "high"]
    max_tokens: int = Field(ge=256, le=64_000)
    inputs: list[str]
    untrusted: list[str]
    output: str
    sample: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes to the model: `system` is the same for every failure, `user` is not."""

    name: str
    version: str
    system: str
    user: str
    max_tokens: int
    effort: Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Prompt:
    """One checked prompt. `sha256` covers the file, its partials and the vocabularies they are rendered with."""

    head: Head
    sha256: str
    template: Template

    @property
    def version(self) -> str:
        """The version with the beginning of the content hash, as it is stored with every analysis."""
        return f"{self.head.version}-{self.sha256[:12]}"

    def render(self, **inputs: Any) -> Rendered:
        """Fill in the inputs. Raises `PromptError` for a missing or unknown one, or a value that is not plain data."""
        if set(inputs) != set(self.head.inputs):
            raise PromptError(f"{self.head.name}: takes {list_names(self.head.inputs)}, got {list_names(inputs)}")
        try:
            system, user = (self._render_block(block, inputs) for block in BLOCKS)
        except (TemplateError, TypeError, ValueError, ArithmeticError, KeyError) as error:
            raise PromptError(f"{self.head.name}: {error}") from error
        return Rendered(self.head.name, self.version, system, user, self.head.max_tokens, self.head.effort)

    def render_sample(self) -> Rendered:
        """The prompt with the sample of its front matter."""
        return self.render(**self.head.sample)

    def _render_block(self, block: str, inputs: dict[str, Any]) -> str:
        return "".join(self.template.blocks[block](self.template.new_context(inputs))).strip()


def list_names(names: Iterable[str]) -> str:
    """Names in order, for messages."""
    return ", ".join(sorted(names)) or "nothing"
