"""Asking a source for what its notifications lack or lost. No input or output happens here.

A pull is a generator: it yields requests, is sent their answers, and returns what it learned. So a connector says what
to ask and how to read it, and whoever drives it says how requests travel. Every request only reads.
"""

import base64
import json
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from connectors.base import Delivery, ErrorEvent, Unparseable
from connectors.bodies import read_json
from connectors.log_line import LogLines
from connectors.pull_window import Window
from connectors.values import clean

_T = TypeVar("_T")
_ANSWER_LIMIT = 8 * 1024 * 1024
_QUOTED = 200
_LONGEST_WAIT = 6 * 3_600.0
_EPOCH = 1e9  # a number of seconds that is a date and no wait
_RESETS = ("retry-after", "x-ratelimit-reset", "ratelimit-reset", "x-sentry-rate-limit-reset")
_REMAINING = ("x-ratelimit-remaining", "ratelimit-remaining", "x-sentry-rate-limit-remaining")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class PullSetting:
    """One thing that a pull has to know. A `secret` one is never shown again."""

    name: str
    told: str
    secret: bool = False
    required: bool = True
    default: str | None = None


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One request. `query` is added to `url`, encoded.

    `limit` is the most bytes of an answer that are taken: a longer one is refused, or with `tail` its end is kept.
    `by_answer`: an earlier answer chose the address, so it gets no credentials and may not lie in a private network.
    `proof` asks the driver to prove us with a vendor's own package, such as `aws:logs:eu-central-1`. `wait` is how many
    seconds to leave the source alone before.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    limit: int = _ANSWER_LIMIT
    tail: bool = False
    by_answer: bool = False
    proof: str | None = None
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class PullAnswer:
    """What came back; `headers` have lower-case names. Redirects are answers like any other."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one page held. `cursor` is where the next pull begins; with `more` it is due at once.

    `passed_over` counts records that were understood and look like no failure. `trouble` says what could not be read,
    for people, while the rest goes on.
    """

    events: tuple[ErrorEvent, ...]
    cursor: str
    more: bool = False
    passed_over: int = 0
    trouble: str | None = None


class PullError(Exception):
    """A pull came to nothing. The message is for people: it names the host, what happened and what to do; no secret."""


class PullRefused(PullError):
    """The source refuses these credentials, or these settings make no sense to it. Trying again soon will not help."""


class PullLater(PullError):
    """The source is out of order or has had enough of us; `seconds` is how long it asked to wait, if it did."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class PullGone(PullError):
    """The source has not, or has no more, what was asked for."""


class PullNothing(PullError):
    """The source is well and holds no more of this event than it delivered: it is stored as it is, with the message."""


Exchange = Generator[PullRequest, PullAnswer, _T]
Settings = Mapping[str, str]


class Puller:
    """What a connector's `pulls` offers. `every`: the seconds between two pulls; 0 where nothing is pulled unasked.

    `optional_schedule`: the settings of which one must be given for a schedule, empty where none is needed.
    """

    settings: tuple[PullSetting, ...]
    every: int = 0
    optional_schedule: tuple[str, ...] = ()

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` where the settings cannot work, beyond what `PullSetting` says of each."""

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next page of failures. `cursor` is what the page before gave, None at first. Raises `PullError`."""
        raise PullRefused("this source is not asked by a schedule")

    def lacks_text(self, event: ErrorEvent) -> bool:
        """Whether a delivered event has no error text, and `enrich` may find it."""
        return False

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The same event, same id, with the text that its source has. Raises `PullError`."""
        raise PullRefused("this source has no more text than it delivers")


def base_url(settings: Settings, name: str = "url") -> str:
    """The address of a source, without a slash at its end. Raises `PullRefused` unless it is https, or loopback."""
    url = settings.get(name, "").strip().rstrip("/")
    if not is_safe(url):
        raise PullRefused(f"{name} must be an https address without a query, such as https://host.example")
    return url


def is_safe(url: str) -> bool:
    """Whether credentials may travel there: https, or this very machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username or parts.query or parts.fragment or "\\" in url or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)


def ask(request: PullRequest, now: datetime) -> Exchange[PullAnswer]:
    """Yield the request; its answer if that is a success or a redirect. Raises what the status means."""
    answer = yield request
    check_answer(request, answer, now)
    return answer


def ask_json(request: PullRequest, now: datetime) -> Exchange[Any]:
    """Like `ask`, and the JSON of the answer. Raises `PullError` where it is none."""
    answer = yield from ask(request, now)
    return json_of(request, answer)


def json_of(request: PullRequest, answer: PullAnswer) -> Any:
    """The JSON of an answer. Raises `PullError` where it is none."""
    try:
        return read_json(answer.body)
    except Unparseable as error:
        raise PullError(f"{host_of(request)} did not answer with JSON: {error}") from None


def post_json(url: str, document: Any, headers: Mapping[str, str], proof: str | None = None) -> PullRequest:
    """A question that travels as a JSON document."""
    told = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    return PullRequest(url, "POST", told, body=json.dumps(document).encode(), proof=proof)


def credentials_of(settings: Settings) -> dict[str, str]:
    """The header for `token`, else for `username` and `password`; none where neither is given."""
    if settings.get("token"):
        return {"Authorization": f"Bearer {settings['token']}"}
    if settings.get("username"):
        pair = f"{settings['username']}:{settings.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def found_at(now: datetime, body: bytes = b"") -> Delivery:
    """What was found, as if it had been delivered, for the readers of deliveries."""
    return Delivery("GET", "", {}, {}, body, body, now)


def page_of(lines: LogLines, window: Window, page: str | None, now: datetime) -> Pulled:
    """One page of a window of logs; `page` is the vendor's token of the next one."""
    found = lines.parsed()
    more = page is not None or window.is_behind(now)
    return Pulled(found.events, window.turn(page), more, found.passed_over)


def check_answer(request: PullRequest, answer: PullAnswer, now: datetime) -> None:
    """Raise unless the answer is a success or a redirect."""
    status, host = answer.status, host_of(request)
    if 200 <= status < 400:
        return
    wait = wait_of(answer, now)
    if status == 429 or _is_too_much(answer):
        raise PullLater(f"{host} limits how often it is asked ({status})", wait)
    if status >= 500 or status == 408:
        raise PullLater(f"{host} is out of order ({status})", wait)
    if status in (401, 403):
        raise PullRefused(f"{host} refuses the credentials ({status}): give ones that may read {request_path(request)}")
    if status in (404, 410):
        raise PullGone(f"{host} has no {request_path(request)} ({status}), or does not show it to these credentials")
    told = clean(answer.body[: _QUOTED * 4].decode("utf-8", "replace"))[:_QUOTED].strip()
    raise PullRefused(f"{host} refuses the question ({status}): {told or 'it does not say why'}")


def wait_of(answer: PullAnswer, now: datetime) -> float | None:
    """For how many seconds the source wants to be left alone, None where it does not say. Dates and waits are read."""
    for name in _RESETS:
        try:
            value = float(answer.headers.get(name, ""))
        except ValueError:
            continue
        if math.isfinite(value):
            return min(max(0.0, value - now.timestamp() if value > _EPOCH else value), _LONGEST_WAIT)
    return None


def _is_too_much(answer: PullAnswer) -> bool:
    """GitHub says so with 403, AWS with 400."""
    if answer.status == 400:
        return any(word in answer.body[:500] for word in (b"Throttling", b"LimitExceeded"))
    return answer.status == 403 and (_is_used_up(answer) or "retry-after" in answer.headers)


def _is_used_up(answer: PullAnswer) -> bool:
    return any(answer.headers.get(name, "").strip() == "0" for name in _REMAINING)


def host_of(request: PullRequest) -> str:
    """The host of a request, for messages."""
    return urlsplit(request.url).hostname or "the source"


def request_path(request: PullRequest) -> str:
    """The path of a request, for messages; one that an answer chose may hold a signature and is not shown."""
    return "the address it named" if request.by_answer else urlsplit(request.url).path
