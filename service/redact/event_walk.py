"""Visits every string of an error event: plain texts, and values under names that promise a secret."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from connectors.base import ErrorEvent
from service.redact.assignments import is_secret_attribute
from service.redact.keys import Key, Strength, classify
from service.redact.values import hollow, is_harmless

_DEEPEST = 32
_TOO_DEEP = "[left out: nested too deeply]"
_NAMES = ("name", "key", "Name", "Key", "ParameterKey")
_VALUES = ("value", "Value", "ParameterValue")
_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{1,24}[ \t]+)?")
_NO_TEXT = {"time", "state", "attributes", "http_status"}
_TEXT_FIELDS = tuple(part.name for part in fields(ErrorEvent) if part.name not in _NO_TEXT)

OnText = Callable[[str], str]
OnSecret = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Seen:
    """The distinct strings of an event, and the secrets that attribute names gave away, each with its kind.

    `event` is the event itself with attributes that JSON can hold: nothing nested too deeply, only text as keys.
    """

    event: ErrorEvent
    texts: dict[str, None]
    secrets: dict[str, str]


def read(event: ErrorEvent) -> Seen:
    """Everything in the event that may hold a secret."""
    texts: dict[str, None] = {}
    secrets: dict[str, str] = {}

    def on_text(text: str) -> str:
        texts[text] = None
        return text

    def on_secret(kind: str, value: str) -> str:
        secrets[value] = kind
        return value

    return Seen(rebuild(event, on_text, on_secret), texts, secrets)


def rebuild(event: ErrorEvent, on_text: OnText, on_secret: OnSecret) -> ErrorEvent:
    """The event with each plain string replaced by `on_text` and each named secret by `on_secret(kind, value)`."""
    walk = _Walk(on_text, on_secret)
    changed: dict[str, Any] = {}
    for name in _TEXT_FIELDS:
        value = getattr(event, name)
        if isinstance(value, str) and (told := on_text(value)) is not value:
            changed[name] = told
    if event.attributes or not isinstance(event.attributes, dict):
        changed["attributes"] = walk.mapping(event.attributes, None, 0)
    return replace(event, **changed) if changed else event


@dataclass(frozen=True, slots=True)
class _Walk:
    on_text: OnText
    on_secret: OnSecret

    def mapping(self, members: Mapping[Any, Any], inherited: Key | None, depth: int) -> dict[str, Any]:
        named = next((members[name] for name in _NAMES if isinstance(members.get(name), str)), None)
        told = classify(named) if named and any(name in members for name in _VALUES) else None
        return {
            self.on_text(str(name)): self.value(
                member, told if told and name in _VALUES else classify(str(name)) or inherited, depth + 1
            )
            for name, member in members.items()
        }

    def value(self, value: Any, key: Key | None, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self.number(value, key)
        if isinstance(value, Mapping | list | tuple):
            return self.container(value, key, depth) if depth < _DEEPEST else self.on_text(_TOO_DEEP)
        return self.text(str(value), key)

    def container(self, value: Any, key: Key | None, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value, key if key and key.kind == "cookie" else None, depth)
        return self.items(value, key, depth)

    def items(self, items: list[Any] | tuple[Any, ...], key: Key | None, depth: int) -> list[Any]:
        if len(items) == 2 and key is None and all(isinstance(item, str) for item in items):
            return [self.on_text(items[0]), self.text(items[1], _header(items[0]))]
        return [self.value(item, key, depth + 1) for item in items]

    def text(self, value: str, key: Key | None) -> str:
        if key is None or not is_secret_attribute(key, value):
            return self.on_text(value)
        scheme = _SCHEME.match(value) if key.kind == "authorization" else None
        start = scheme.end() if scheme else 0
        if is_harmless(hollow(value[start:])):
            return self.on_text(value)
        return value[:start] + self.on_secret("token" if key.kind == "authorization" else key.kind, value[start:])

    def number(self, value: float, key: Key | None) -> Any:
        if key is None or key.strength is not Strength.SURE or not is_secret_attribute(key, str(value)):
            return value
        return self.on_secret(key.kind, str(value))


def _header(name: str) -> Key | None:
    key = classify(name)
    return key if key and key.strength is Strength.SURE and not key.bare else None
