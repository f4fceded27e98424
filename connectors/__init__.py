"""Monitoring sources: one module of this package each, found by its `CONNECTOR` attribute and registered nowhere.

A package outside this tree adds one through the entry-point group `whydenied.connectors`.
"""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from connectors.base import AuthScheme, Connector

ENTRY_POINT_GROUP = "whydenied.connectors"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class BrokenConnector(Exception):
    """A connector that cannot be used. The message says where it comes from, what is wrong and what to do."""


def discover() -> dict[str, Connector]:
    """Every connector by name: the modules of this folder, then those of installed packages.

    Raises `BrokenConnector` for one that cannot be loaded, keeps no promise of the protocol, or takes a name twice.
    """
    found: dict[str, Connector] = {}
    for origin, candidate in [*_modules(), *_plugins(tuple(entry_points(group=ENTRY_POINT_GROUP)))]:
        connector = check(origin, candidate)
        if connector.name in found:
            raise BrokenConnector(f"{origin}: the name {connector.name!r} is taken already; choose another")
        found[connector.name] = connector
    return found


def _modules() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.iter_modules(__path__):
        origin = f"connectors/{module.name}.py"
        try:
            loaded = import_module(f"{__name__}.{module.name}")
        except Exception as error:
            raise BrokenConnector(f"{origin}: does not import ({error!r}); repair or remove the file") from error
        if hasattr(loaded, "CONNECTOR"):
            yield origin, loaded.CONNECTOR


def _plugins(points: tuple[EntryPoint, ...]) -> Iterator[tuple[str, Any]]:
    for point in points:
        origin = f"entry point {ENTRY_POINT_GROUP}: {point.name} = {point.value}"
        try:
            loaded = point.load()
        except Exception as error:
            raise BrokenConnector(f"{origin}: does not load ({error!r}); repair or uninstall the package") from error
        yield origin, getattr(loaded, "CONNECTOR", loaded)


def check(origin: str, candidate: Any) -> Connector:
    """The candidate as a connector. Raises `BrokenConnector` naming the first promise of the protocol it breaks."""
    name, schemes = getattr(candidate, "name", None), getattr(candidate, "schemes", None)
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise BrokenConnector(f"{origin}: `name` is {name!r}; it must be lower-case letters, digits and hyphens")
    if not (isinstance(title := getattr(candidate, "title", None), str) and title):
        raise BrokenConnector(f"{origin}: `title` is missing; it is the name that people read")
    if not (isinstance(schemes, tuple) and schemes and set(schemes) <= set(get_args(AuthScheme))):
        known = ", ".join(get_args(AuthScheme))
        raise BrokenConnector(f"{origin}: `schemes` is {schemes!r}; it must be a tuple of some of {known}")
    if not (isinstance(setup := getattr(candidate, "setup", None), str) and ("%URL%" in setup or "%HOST%" in setup)):
        raise BrokenConnector(f"{origin}: `setup` does not say where %URL% (or %HOST% and %PATH%) belongs")
    for method in ("authenticate", "parse", "greet", "refuse"):
        if not callable(getattr(candidate, method, None)):
            raise BrokenConnector(f"{origin}: the method `{method}` is missing; see Connector in connectors/base.py")
    connector: Connector = candidate
    return connector
