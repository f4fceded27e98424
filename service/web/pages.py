"""What every page shares: the strict, autoescaping template environment and the response.

Values reach HTML only through autoescape, and every value loses its invisible characters to visible marks on the way.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request

from service.domain import Artifact, ArtifactKind, Confidence, Verdict
from service.store.handling import NEVER
from service.web import words
from service.web.browser_words import browser_words
from service.web.highlight import Segment, mark_invisible, mark_placeholders
from service.web.prefix import Templates, below
from service.web.problems import ProblemError
from service.web.services import services_of

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_TWIN = ".json"
_HERE = Path(__file__).resolve().parent
STATIC_FOLDER = _HERE / "static"
SECTIONS = (
    ("/", "Queue"),
    ("/explain", "Explain"),
    ("/rules", "Rules"),
    ("/prompts", "Prompts"),
    ("/sources", "Sources"),
    ("/insights", "Insights"),
    ("/usage", "Usage"),
    ("/audit", "Audit"),
    ("/settings", "Settings"),
)


def is_web(url: object) -> bool:
    """Whether the text is an http or https address that a page may link to."""
    try:
        parts = urlsplit(str(url))
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and str(url) == mark_invisible(str(url)).strip()


def query_string(values: Mapping[str, Any]) -> str:
    """`?a=1&b=2` of the values that are not empty, or nothing."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def base_url(request: Request) -> str:
    """The address under which senders reach this service, without a slash at its end."""
    return services_of(request).public_url or str(request.base_url).rstrip("/")


@cache
def static_url(name: str) -> str:
    """The address of a static file; it changes with the content, so browsers may keep the file for good."""
    digest = hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@cache
def page_environment(prefix: str = "") -> Environment:
    """Templates of the pages: autoescape on, an unknown name is an error, invisible characters become marks.

    Addresses of ours get the `prefix` that the service lives below.
    """
    environment = Environment(
        loader=Templates(_HERE / "templates", prefix),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_show_invisible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static_url, sections=SECTIONS, reasons=words.REJECT_REASONS)
    environment.globals.update(fill_query=_fill_query, never=NEVER)
    environment.filters.update(
        absolute=words.absolute,
        ago=lambda moment: words.ago(words.as_utc(moment), datetime.now(UTC)),
        iso=lambda moment: words.as_utc(moment).isoformat(timespec="seconds"),
        artifact_words=lambda kind: words.ARTIFACTS[ArtifactKind(kind)][0],
        cause_words=words.cause_words,
        confidence_words=lambda confidence: words.CONFIDENCES[Confidence(confidence)],
        verdict_words=lambda verdict: words.VERDICTS[Verdict(verdict)],
        dollars=words.dollars,
        hours=words.hours,
        is_extra=words.is_extra,
        plural=words.plural,
        short=words.short,
        short_url=words.short_url,
        some=words.some,
        step_parts=words.step_parts,
        template_words=words.template_words,
        browser_words=browser_words,
        below=lambda address: below(prefix, str(address)),
        is_web=is_web,
        query=query_string,
        placeholder_segments=_placeholder_segments,
    )
    return environment


def twinned(router: APIRouter, path: str) -> Callable[[_Endpoint], _Endpoint]:
    """Serve a page at its path, and its twin at the path with `.json` (of `/`: `/queue.json`)."""

    def register(endpoint: _Endpoint) -> _Endpoint:
        router.get(f"{'/queue' if path == '/' else path}{_TWIN}")(endpoint)
        router.get(path)(endpoint)
        return endpoint

    return register


def show_twinned(request: Request, template: str, twin: Any, *, status: int = 200, **values: Any) -> Response:
    """A page whose head names its twin; or the twin, which holds the same as data, where the address asks for it."""
    if is_twin(request):
        return JSONResponse(jsonable_encoder(twin), status)
    path = quote("/queue" if request.url.path == "/" else request.url.path)
    address = f"{path}{_TWIN}?{request.url.query}".rstrip("?") if request.method == "GET" else None
    return show(request, template, status=status, json_twin=address, **values)


def show(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page. Every template gets `account`, `section` (its entry in the menu), `may_review` and `is_admin`."""
    page = page_environment(services_of(request).prefix).get_template(template)
    defaults = {"account": account_name(request), "section": None, "notice": None, "json_twin": None}
    return HTMLResponse(page.render(defaults | _rights(request) | values), status)


def is_twin(request: Request) -> bool:
    """Whether the address asks for a page as data."""
    return request.url.path.endswith(_TWIN)


def show_error(request: Request, status: int, headline: str, detail: str) -> HTMLResponse:
    """A page that says what happened and what to do. Raises `ProblemError` where the address asks for data."""
    if is_twin(request):
        raise ProblemError(status, headline.lower().replace(" ", "-"), detail)
    return show(request, "error.html", status=status, headline=headline, detail=detail)


async def form_fields(request: Request) -> dict[str, str]:
    """The text fields of a form, without NUL characters. Files are refused; of equal names the last counts."""
    async with request.form(max_files=0, max_fields=200, max_part_size=512 * 1024) as form:
        return {name: value.replace("\x00", "") for name, value in form.items() if isinstance(value, str)}


def account_name(request: Request) -> str | None:
    """The e-mail of who is signed in, as the session layer left it on the request."""
    account = getattr(request.state, "account", None)
    return getattr(account, "email", None)


def _rights(request: Request) -> dict[str, bool]:
    may = getattr(getattr(request.state, "account", None), "may", lambda _scope: False)
    return {"may_review": may("review"), "is_admin": may("admin")}


def _show_invisible(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return mark_invisible(value)


def _fill_query(values: Mapping[str, str], names: Sequence[str]) -> str:
    return query_string({f"fill-{name}": values.get(name) for name in names})


def _placeholder_segments(artifact: Artifact) -> list[Segment]:
    return mark_placeholders(artifact.content, artifact.placeholders)
