"""Kubernetes: warnings of a cluster, and the logs of its failing pods, which nobody delivers without an agent.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.base import ErrorEvent, Unparseable
from connectors.bodies import read_json
from connectors.kubernetes_event import read_warning, time_of
from connectors.kubernetes_logs import LOG_BYTES, Container, add_lines, containers_of, crashed_container
from connectors.log_line import LogLines
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullError,
    PullGone,
    PullRefused,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    ask_json,
    base_url,
    check_answer,
    found_at,
)
from connectors.sieve import looks_like_failure
from connectors.values import as_list, as_mapping, as_text, dig

_FIRST, _OVERLAP = timedelta(minutes=15), timedelta(minutes=2)
_EVENTS, _PODS, _LOGS, _MOST_LOGS = 500, 100, 20, 200
_WATCHED = 32 * 1024 * 1024
_WATCH_SECONDS = 5
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_GONE = 410


@dataclass(frozen=True, slots=True)
class Round:
    """Where a round stands: warnings first, then pods, then the logs of `logs`.

    `begun` is when it began, `since` when the one before did; `version` is the newest state of the warnings that is
    known, and `page` the token of the next page of warnings, or of pods once there is a `version`.
    """

    begun: datetime
    since: datetime
    stage: str = "events"
    version: str | None = None
    page: str | None = None
    logs: tuple[Container, ...] = ()

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> "Round":
        """The round of a cursor; a new one, from a quarter of an hour ago, where there is none."""
        try:
            told = json.loads(cursor or "{}")
            since = datetime.fromisoformat(told["since"])
            begun = datetime.fromisoformat(told["begun"]) if told["stage"] != "events" or told["page"] else now
            logs = tuple(one for kept in told["logs"] if (one := Container.read(kept)))
            return cls(begun, since, str(told["stage"]), told["version"], told["page"], logs)
        except (ValueError, TypeError, LookupError):
            return cls(now, now - _FIRST)

    def told(self) -> str:
        """The round as a cursor."""
        kept = {"begun": self.begun.isoformat(), "since": self.since.isoformat(), "stage": self.stage}
        logs = [one.told() for one in self.logs]
        return json.dumps({**kept, "version": self.version, "page": self.page, "logs": logs})

    def ended(self) -> "Round":
        """The round that follows this one."""
        return Round(self.begun, self.begun, version=self.version)

    def with_logs(self, found: list[Container]) -> "Round":
        """With more containers to read, each once, and no more than 200."""
        known = {(one.uid, one.pod, one.name, one.previous): one for one in (*found, *self.logs)}
        return replace(self, logs=tuple(known.values())[:_MOST_LOGS])


class KubernetesCluster(Puller):
    """Keeps warnings and log lines that look like a failure."""

    every = 60
    settings = (
        PullSetting(
            "url", "The API server's address, elsewhere.", required=False, default="https://kubernetes.default.svc"
        ),
        PullSetting(
            "token",
            "A service account's token; without one, that of the pod in which whydenied runs.",
            secret=True,
            required=False,
        ),
        PullSetting("ca_certificate", "The cluster's certificate authority as PEM, with a token.", required=False),
        PullSetting("namespace", "This namespace alone.", required=False),
        PullSetting("cluster", "The cluster's name, which becomes the environment.", required=False),
        PullSetting(
            "pods",
            "A label selector, such as app=billing: pods whose logs are read line by line, not only when they fail.",
            required=False,
        ),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address, a namespace or a certificate that is none."""
        base_url(settings)
        if settings.get("namespace") and not _NAMESPACE.fullmatch(settings["namespace"]):
            raise PullRefused("namespace must be the name of one")
        if settings.get("ca_certificate") and "-----BEGIN CERTIFICATE-----" not in settings["ca_certificate"]:
            raise PullRefused("ca_certificate must be PEM, beginning with -----BEGIN CERTIFICATE-----")

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next page of a round. Where pods and logs may not be read, warnings are, and the page says so."""
        now_at = Round.read(cursor, now)
        if now_at.stage == "events":
            read = _watched if now_at.version else _listed
            return (yield from read(settings, now_at, now))
        try:
            return (yield from (_pods if now_at.stage == "pods" else _logs)(settings, now_at, now))
        except PullRefused as error:
            return Pulled((), now_at.ended().told(), trouble=str(error))
        except PullGone:
            return Pulled((), replace(now_at, page=None, stage="logs").told(), more=True)


def _listed(settings: Settings, at: Round, now: datetime) -> Exchange[Pulled]:
    """Warnings page by page; the state of the first page is where the next round begins to watch."""
    query = [("fieldSelector", "type=Warning"), ("limit", str(_EVENTS)), *([("continue", at.page)] if at.page else [])]
    try:
        found = yield from ask_json(_request(settings, "events", query), now)
    except PullGone:
        if not at.page:
            raise
        return Pulled((), replace(at, page=None).told(), more=True)
    items = [as_mapping(item) for item in as_list(dig(found, "items"))]
    recent = [item for item in items if time_of(item, now) >= at.since - _OVERLAP]
    page, version = as_text(dig(found, "metadata", "continue")), as_text(dig(found, "metadata", "resourceVersion"))
    if not page and not version:
        raise PullError("the API server's answer is no list")
    turned = replace(at, page=page) if page else replace(at, page=None, version=version, stage="pods")
    return _page(settings, turned, recent, len(items), now)


def _watched(settings: Settings, at: Round, now: datetime) -> Exchange[Pulled]:
    """The warnings since a state. One that the server has forgotten means: list them all again."""
    query = [
        ("fieldSelector", "type=Warning"),
        *(("watch", "true"), ("resourceVersion", at.version or ""), ("allowWatchBookmarks", "true")),
        ("timeoutSeconds", str(_WATCH_SECONDS)),
    ]
    again = Pulled((), replace(at, version=None).told(), more=True)
    try:
        answer = yield from ask(replace(_request(settings, "events", query), limit=_WATCHED), now)
    except PullGone:
        return again
    items, version = [], at.version
    for change in map(_change, answer.body.splitlines()):
        item = as_mapping(change.get("object"))
        if change.get("type") == "ERROR":
            if item.get("code") == _GONE:
                return again
            raise PullError(f"the API server ends the watch: {as_text(item.get('message')) or 'it does not say why'}")
        version = as_text(dig(item, "metadata", "resourceVersion")) or version
        if change.get("type") in {"ADDED", "MODIFIED"}:
            items.append(item)
    return _page(settings, replace(at, version=version, stage="pods"), items, len(items), now)


def _change(line: bytes) -> Mapping[str, Any]:
    try:
        return as_mapping(read_json(line)) if line.strip() else {}
    except Unparseable as error:
        raise PullError(f"the API server's watch cannot be read: {error}") from None


def _page(settings: Settings, turned: Round, items: list[Mapping[str, Any]], seen: int, now: datetime) -> Pulled:
    events: dict[str, ErrorEvent] = {}
    for item in items:
        event = read_warning(item, now)
        if event and looks_like_failure(event.text):
            events[event.id] = replace(event, environment=settings.get("cluster") or event.environment)
    crashed = [one for item in items if (one := crashed_container(item, turned.since))]
    return Pulled(tuple(events.values()), turned.with_logs(crashed).told(), more=True, passed_over=seen - len(events))


def _pods(settings: Settings, at: Round, now: datetime) -> Exchange[Pulled]:
    """Pods that have failed for good, or those of the selector; which of their containers to read."""
    chosen = settings.get("pods")
    query = [("labelSelector", chosen) if chosen else ("fieldSelector", "status.phase=Failed"), ("limit", str(_PODS))]
    found = yield from ask_json(
        _request(settings, "pods", [*query, *([("continue", at.page)] if at.page else [])]), now
    )
    page = as_text(dig(found, "metadata", "continue"))
    containers = [
        one
        for pod in map(as_mapping, as_list(dig(found, "items")))
        for one in containers_of(pod, at.since, now, failed_alone=not chosen)
    ]
    turned = replace(at, page=page, stage="pods" if page else "logs").with_logs(containers)
    return Pulled((), turned.told(), more=True)


def _logs(settings: Settings, at: Round, now: datetime) -> Exchange[Pulled]:
    """The lines of the next twenty containers; of a long log the rest is next."""
    lines, left = LogLines(found_at(now)), list[Container]()
    for one in at.logs[:_LOGS]:
        path = f"pods/{one.pod}/log"
        request = _request({**settings, "namespace": one.namespace}, path, list(one.query()))
        answer = yield replace(request, limit=LOG_BYTES * 2)
        if answer.status in (400, 404, 410):  # the pod, or its run before, is gone
            continue
        check_answer(request, answer, now)
        if rest := add_lines(lines, one, answer.body, now, settings.get("cluster") or None):
            left.append(rest)
    turned = replace(at, logs=(*left, *at.logs[_LOGS:]))
    found = lines.parsed()
    cursor = turned if turned.logs else turned.ended()
    return Pulled(found.events, cursor.told(), more=bool(turned.logs), passed_over=found.passed_over)


def _request(settings: Settings, kind: str, query: list[tuple[str, str]]) -> PullRequest:
    namespace = settings.get("namespace")
    path = f"/api/v1/namespaces/{namespace}/{kind}" if namespace else f"/api/v1/{kind}"
    headers = {"Accept": "application/json"}
    return PullRequest(base_url(settings) + path, headers=headers, query=tuple(query), proof="kubernetes")
