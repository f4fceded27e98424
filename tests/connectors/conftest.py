"""Deliveries for the tests of connectors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Delivery

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def deliver() -> Callable[..., Delivery]:
    """Builds a delivery: `deliver(body, path=..., query=..., **headers)`; other than bytes and text as JSON."""

    def build(body: Any, *, path: str = "", query: dict[str, str] | None = None, **headers: str) -> Delivery:
        text = body if isinstance(body, bytes | str) else json.dumps(body)
        raw = text.encode() if isinstance(text, str) else text
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Delivery("POST", path, query or {}, named, raw, raw, NOW)

    return build
