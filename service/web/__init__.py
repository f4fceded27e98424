"""The web side: ingest, REST and pages. A module `api_*` or `pages_*` that has a `router` is found, not listed."""

import pkgutil
from importlib import import_module
from types import ModuleType

from fastapi import APIRouter


def find_routers() -> list[APIRouter]:
    """The routers of the REST API, by module name."""
    return [module.router for module in _modules("api_")]


def find_pages() -> tuple[list[APIRouter], list[APIRouter]]:
    """The routers of pages for people signed in, and of those that say `FOR_EVERYBODY = True`."""
    modules = _modules("pages_")
    open_pages = [module.router for module in modules if getattr(module, "FOR_EVERYBODY", False)]
    return [module.router for module in modules if module.router not in open_pages], open_pages


def _modules(prefix: str) -> list[ModuleType]:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name.startswith(prefix))
    found = [import_module(f"{__name__}.{name}") for name in names]
    return [module for module in found if hasattr(module, "router")]
