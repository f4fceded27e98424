"""Living below a path: a reverse proxy shows the service at `https://host/prefix/`.

Inside, every address begins at the root. The path of the public URL is taken off what comes in, where the proxy left it
on, and put in front of what goes out: of the addresses in templates when they are compiled, and of redirects.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ADDRESSES = r"""((?:href|action|src|formaction|data-check|data-fill|data-from|data-progress)=")"""
_LITERAL = re.compile(rf"{_ADDRESSES}(?=/(?!/))")
_EXPRESSION = re.compile(rf"{_ADDRESSES}\{{\{{-?(.+?)-?\}}\}}")


def prefix_of(public_url: str | None) -> str:
    """The path of the public URL, without a slash at its end; empty where the service has a host of its own."""
    return urlsplit(public_url).path.rstrip("/") if public_url else ""


def below(prefix: str, address: str) -> str:
    """An address of ours as browsers have to spell it; one that leads elsewhere, or within the page, stays."""
    return f"{prefix}{address}" if address.startswith("/") and not address.startswith("//") else address


class Templates(FileSystemLoader):
    """The templates of a folder, with a prefix in front of every address of ours; they need the filter `below`."""

    def __init__(self, folder: Path, prefix: str) -> None:
        super().__init__(folder)
        self._prefix = prefix

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The template with its addresses made complete. Only what authors wrote is read, never a value."""
        source, filename, is_current = super().get_source(environment, template)
        if self._prefix:
            source = _EXPRESSION.sub(r"\1{{ (\2) | below }}", source)
            source = _LITERAL.sub(lambda match: match[1] + self._prefix, source)
        return source, filename, is_current


class BelowPrefix:
    """One pure ASGI layer around everything. The proxy may take the prefix off, or leave it on."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            scope = {**scope, "path": path[len(self._prefix) :] or "/"}

        async def send_outside(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [self._outside(name, value, scope["path"]) for name, value in message.get("headers", ())]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_outside)

    def _outside(self, name: bytes, value: bytes, path: str) -> tuple[bytes, bytes]:
        if name.lower() != b"location":
            return name, value
        location = value.decode("latin-1")
        parts = urlsplit(location)
        # The framework spells out its own host where only a slash at the end is too many or missing.
        if parts.netloc and parts.path.strip("/") == path.strip("/") and not parts.path.startswith("//"):
            location = parts._replace(scheme="", netloc="").geturl()
        return name, below(self._prefix, location).encode("latin-1")


def ambiguous(prefix: str, paths: Iterable[str]) -> bool:
    """Whether the prefix begins like an address of ours, so that nobody could tell whether a proxy left it on."""
    first = prefix.split("/")[1] if prefix else ""
    return first in {path.split("/")[1] for path in paths if "/" in path} - {""}
