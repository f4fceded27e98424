"""Small packs, written in the test that needs them."""

from collections.abc import Callable
from typing import Any

import pytest

from service.rules.model import Pack

_REST: dict[str, Any] = {
    "title": "Refused",
    "verdict": "permission",
    "cause": "missing_grant",
    "confidence": "likely",
    "explanation": "The ledger says no.",
    "fix": {"summary": "Ask the owner."},
    "references": ["https://example.com/denials"],
    "examples": [{"text": "ledger refuses ada: read", "expect": {}}],
    "counterexamples": [{"text": "all is well", "why": "nothing is refused"}],
}


@pytest.fixture
def make_pack() -> Callable[..., Pack]:
    """A pack of rules given as `slug={field: value}`; what is left out is harmless. `header` extends the pack."""

    def make(system: str, header: dict[str, Any] | None = None, **rules: dict[str, Any]) -> Pack:
        written = [{"id": f"{system}.{slug.replace('_', '-')}", **_REST, **fields} for slug, fields in rules.items()]
        return Pack.model_validate(
            {"format": 1, "system": system, "owner": "tests", **(header or {}), "rules": written}
        )

    return make
