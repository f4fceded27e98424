"""Connections declared in a YAML file, so that they can live in version control beside the rest of a deployment.

The format is in docs/configuration.md. A secret stands inline, or names an environment variable or a file.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connectors.base import Auth, AuthScheme, Connector
from service.pull_settings import PullSettingsError, complete
from service.store.limits import Limits

RESERVED_NAMES = frozenset({"api", "new"})  # what the REST API receives, and the page that makes connections
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"


class DeclarationError(Exception):
    """The file cannot be used. One line per problem, naming the connection; no secret is repeated."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class FromEnvironment(_Strict):
    env: str


class FromFile(_Strict):
    file: Path


class DeclaredAuth(_Strict):
    scheme: AuthScheme
    secrets: tuple[str | FromEnvironment | FromFile, ...] = ()
    username: str | None = None
    name: str | None = None
    tolerance: int = Field(300, ge=1, le=86_400)
    senders: tuple[str, ...] = ()
    audience: str | None = None
    keys_url: str | None = None


class DeclaredLimits(_Strict):
    rate: int | None = Field(None, ge=0)
    events_per_day: int | None = Field(None, ge=0)
    new_failures_per_hour: int | None = Field(None, ge=0)


class DeclaredConnection(_Strict):
    name: str = Field(pattern=NAME_PATTERN)
    connector: str
    auth: DeclaredAuth
    pull: dict[str, str | int | FromEnvironment | FromFile] | None = None
    limits: DeclaredLimits = DeclaredLimits()


class _Document(_Strict):
    connections: tuple[DeclaredConnection, ...] = ()


class Declared(_Strict):
    """One connection of the file with its secrets looked up."""

    name: str
    connector: str
    auth: Auth
    pull: dict[str, str] | None = None
    limits: Limits = Limits()


def load_declared(path: Path, known: Mapping[str, Connector]) -> list[Declared]:
    """Read the file and look up every secret. `known` holds the connectors by name. Raises `DeclarationError`."""
    document = _read(path)
    problems: list[str] = []
    declared: list[Declared] = []
    for one in document.connections:
        try:
            check_name(one.name)
            auth = checked(_auth(one.auth, path.parent), one.connector, known)
            pull = _pull(one, path.parent, known)
            limits = Limits(**one.limits.model_dump())
            declared.append(Declared(name=one.name, connector=one.connector, auth=auth, pull=pull, limits=limits))
        except (DeclarationError, PullSettingsError) as error:
            problems.append(f"{path.name}: {one.name}: {error}")
    names = [one.name for one in document.connections]
    problems += [
        f"{path.name}: the name {name} is taken twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if problems:
        raise DeclarationError("\n".join(problems))
    return declared


def _read(path: Path) -> _Document:
    try:
        data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return _Document.model_validate(data or {})
    except OSError as error:
        raise DeclarationError(f"cannot read {path}: {error.strerror}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise DeclarationError("\n".join(_describe(path, data, error))) from None


def _describe(path: Path, data: Any, error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        place = [str(part) for part in problem["loc"]]
        owner = ""
        if len(place) > 1 and place[0] == "connections":
            item = data["connections"][int(place[1])]
            owner = f"{item.get('name', place[1]) if isinstance(item, dict) else place[1]}: "
            place = place[2:]
        yield f"{path.name}: {owner}{'.'.join(place) or 'connection'}: {problem['msg']}"


def _auth(auth: DeclaredAuth, folder: Path) -> Auth:
    secrets = tuple(look_up(secret, folder) for secret in auth.secrets)
    return Auth(**(auth.model_dump() | {"secrets": secrets}))


def _pull(one: DeclaredConnection, folder: Path, known: Mapping[str, Connector]) -> dict[str, str] | None:
    if one.pull is None:
        return None
    given = {name: str(value) if isinstance(value, int) else look_up(value, folder) for name, value in one.pull.items()}
    return complete(given, known[one.connector])


def look_up(secret: str | FromEnvironment | FromFile, folder: Path) -> str:
    """The secret itself; files are relative to `folder`. Raises `DeclarationError`, which names the source only."""
    if isinstance(secret, FromEnvironment):
        value = os.environ.get(secret.env, "")
        source = f"the environment variable {secret.env}"
    elif isinstance(secret, FromFile):
        source = f"the file {secret.file}"
        try:
            value = (folder / secret.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise DeclarationError(f"{source} cannot be read") from None
    else:
        value, source = secret, "an inline secret"
    if not value:
        raise DeclarationError(f"{source} is empty or not set")
    return value


def check_name(name: str) -> None:
    """Raise `DeclarationError` unless a connection may be called so."""
    if not re.search(NAME_PATTERN, name) or name in RESERVED_NAMES:
        raise DeclarationError(f"{name!r} is no name for a connection: use up to 63 of a-z, 0-9, . _ and -")


def checked(auth: Auth, connector: str, known: Mapping[str, Connector], *, later: bool = False) -> Auth:
    """The same authentication if the connector can use it. Raises `DeclarationError` saying what it lacks.

    With `later` the secret of a signature may be given later.
    """
    if connector not in known:
        raise DeclarationError(f"the connector {connector!r} is not known; known are {', '.join(sorted(known))}")
    schemes = known[connector].schemes
    if auth.scheme not in schemes:
        raise DeclarationError(f"{connector} takes the schemes {', '.join(schemes)}, not {auth.scheme}")
    if auth.scheme == "signature" and known[connector].public_key:
        _complete_public_key(auth, connector)
    elif auth.secrets or auth.scheme != "signature" or not later:
        _complete(auth)
    return auth


def _complete_public_key(auth: Auth, connector: str) -> None:
    if auth.secrets:
        raise DeclarationError(f"{connector} is signed with the vendor's own key and takes no secrets")
    if not auth.senders:
        raise DeclarationError(f"{connector} signs for all its customers alike: name your own under senders")


def _complete(auth: Auth) -> None:
    if auth.scheme == "none":
        if auth.secrets:
            raise DeclarationError("scheme none takes no secrets")
        return
    if not auth.secrets:
        raise DeclarationError(f"scheme {auth.scheme} needs a secret")
    if len(auth.secrets) > 2:
        raise DeclarationError("at most two secrets may be live at once, the new one and the old one")
    if auth.scheme == "basic" and not auth.username:
        raise DeclarationError("scheme basic needs a username")
    if auth.scheme == "header" and not auth.name:
        raise DeclarationError("scheme header needs the name of the header")
