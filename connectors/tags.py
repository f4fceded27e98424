"""Tags and labels as senders write them: `env:prod,service:etl`, lists of that, pairs of name and value, objects."""

from collections.abc import Iterator
from typing import Any

from connectors.base import Unparseable
from connectors.bodies import read_json
from connectors.values import as_text, first_text

_LONGEST, _MOST = 10_000, 200
_SERVICES = ("service", "service_name", "app", "application", "component")
_ENVIRONMENTS = ("env", "environment", "deployment_environment", "stage")


def tags_of(value: Any) -> dict[str, str]:
    """The tags by their lower-case names, of one name the first; a tag without a value is none."""
    found: dict[str, str] = {}
    for name, said in _pairs(value):
        if name and said:
            found.setdefault(name.strip().lower(), said.strip())
    return found


def tagged_service(tags: dict[str, str]) -> str | None:
    """The service that tags name."""
    return first_text(*(tags.get(name) for name in _SERVICES))


def tagged_environment(tags: dict[str, str]) -> str | None:
    """The environment that tags name."""
    return first_text(*(tags.get(name) for name in _ENVIRONMENTS))


def _pairs(value: Any) -> Iterator[tuple[str, str | None]]:
    if isinstance(value, str):
        text = value[:_LONGEST].strip()
        yield from _pairs(_listed(text) if text.startswith("[") else [part for part in text.split(",") if part])
    elif isinstance(value, dict):
        yield from ((str(name), as_text(member)) for name, member in value.items())
    for one in value[:_MOST] if isinstance(value, list) else []:
        if isinstance(one, dict):
            yield first_text(one.get("tag"), one.get("name"), one.get("key")) or "", as_text(one.get("value"))
        elif isinstance(one, str):
            name, _, said = one.partition(":") if ":" in one else one.partition("=")
            yield name, said


def _listed(text: str) -> Any:
    try:
        found = read_json(text.encode("utf-8", "replace"))
    except Unparseable:
        return []
    return found if isinstance(found, list) else []
