"""The logs of containers: which to read, and their lines.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.kubernetes_event import involved
from connectors.log_joining import Joiner
from connectors.log_line import LogLines
from connectors.values import as_list, as_mapping, as_text, as_time, dig, first_text, key_of

LOG_BYTES = 1_000_000
SKEW = timedelta(seconds=30)  # by how much the clocks of nodes may be slow
_LOOKED_BACK = timedelta(minutes=2)  # so that a stack trace over the edge is known as one
_LOOKED_BACK_AT_PREVIOUS = timedelta(minutes=10)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_CONTAINER = re.compile(r"spec\.(?:init|ephemeral)?[cC]ontainers\{([a-z0-9-]{1,63})\}")


@dataclass(frozen=True, slots=True)
class Container:
    """One container, or the run before its present one; its lines since `since` (ISO 8601) are wanted.

    `goes_on`: what lies before was read a moment ago, so that there is no need to look back.
    """

    namespace: str
    pod: str
    uid: str
    name: str
    previous: bool
    since: str
    app: str | None = None
    goes_on: bool = False

    @classmethod
    def read(cls, told: Any) -> "Container | None":
        """The container as a cursor keeps it."""
        try:
            found = cls(**told)
            return found if _is_safe(found) and isinstance(datetime.fromisoformat(found.since), datetime) else None
        except (TypeError, ValueError):
            return None

    def told(self) -> dict[str, Any]:
        """The container as a cursor keeps it."""
        return asdict(self)

    def query(self) -> tuple[tuple[str, str], ...]:
        """What to ask the log with."""
        since = datetime.fromisoformat(self.since) - (timedelta() if self.goes_on else _looked_back(self))
        return (
            ("container", self.name),
            ("previous", str(self.previous).lower()),
            ("timestamps", "true"),
            ("sinceTime", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
            ("limitBytes", str(LOG_BYTES)),
        )


def _looked_back(one: Container) -> timedelta:
    return _LOOKED_BACK_AT_PREVIOUS if one.previous else _LOOKED_BACK


def _is_safe(one: Container) -> bool:
    return all(isinstance(name, str) and _NAME.fullmatch(name) for name in (one.namespace, one.pod, one.name))


def crashed_container(warning: Mapping[str, Any], since: datetime) -> Container | None:
    """The container that a warning says is started again and again; its run before this one has the reason."""
    about = involved(warning)
    message, name = as_text(warning.get("message")) or "", _CONTAINER.fullmatch(as_text(about.get("fieldPath")) or "")
    if not name or as_text(warning.get("reason")) != "BackOff" or not message.startswith("Back-off restarting"):
        return None
    told = {"namespace": about.get("namespace"), "pod": about.get("name"), "uid": as_text(about.get("uid")) or ""}
    return Container.read({**told, "name": name[1], "previous": True, "since": since.isoformat()})


def containers_of(pod: Mapping[str, Any], since: datetime, now: datetime, *, failed_alone: bool) -> Iterator[Container]:
    """The containers of a pod to read: those that ended with an error since then, or all that have started."""
    labels = as_mapping(dig(pod, "metadata", "labels"))
    told = {
        "namespace": dig(pod, "metadata", "namespace"),
        "pod": dig(pod, "metadata", "name"),
        "uid": as_text(dig(pod, "metadata", "uid")) or "",
        "app": first_text(labels.get("app.kubernetes.io/name"), labels.get("app")),
        "since": since.isoformat(),
    }
    statuses = [
        *as_list(dig(pod, "status", "initContainerStatuses")),
        *as_list(dig(pod, "status", "containerStatuses")),
    ]
    for status in map(as_mapping, statuses):
        runs = ((False, dig(status, "state")), (True, dig(status, "lastState")))
        for previous, state in runs:
            ended = as_mapping(dig(state, "terminated"))
            has_failed = bool(ended) and ended.get("exitCode") != 0
            is_new = as_time(ended.get("finishedAt"), now) >= since - _LOOKED_BACK
            is_running = not previous and bool(dig(state, "running"))
            if (has_failed and is_new) or (not failed_alone and (is_running or (ended and is_new))):
                found = Container.read({**told, "name": status.get("name"), "previous": previous})
                if found is not None:
                    yield found


def add_lines(lines: LogLines, one: Container, log: bytes, now: datetime, environment: str | None) -> Container | None:
    """Look at the lines of one container. What is left to read where the log was longer than is read at once."""
    texts = log.decode("utf-8", "replace").splitlines()
    is_cut = len(log) >= LOG_BYTES and len(texts) > 1
    stamped = [(time, text) for time, _, text in (line.partition(" ") for line in texts[: -1 if is_cut else None])]
    since = datetime.fromisoformat(one.since)
    earliest = since - (_looked_back(one) if one.previous else SKEW)
    for time, text in _joined(stamped):
        if as_time(time, now) >= earliest:
            lines.add(
                text,
                identity=f"{one.uid or one.pod}:{one.name}:{time}:{key_of(text)[:8]}",
                time=time,
                service_name=one.app or one.name,
                environment=environment,
                attributes={
                    "k8s.namespace.name": one.namespace,
                    "k8s.pod.name": one.pod,
                    "k8s.container.name": one.name,
                },
            )
    if not is_cut:
        return None
    last = as_time(stamped[-1][0], now)
    step = timedelta(seconds=1 if one.goes_on and last <= since else 0)  # a second with more than that is left
    return replace(one, since=(last + step).isoformat(), goes_on=True)


def _joined(stamped: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    joiner, kept, begun = Joiner(), list[str](), ""
    for time, text in stamped:
        if not joiner.continues(text):
            if kept:
                yield begun, "\n".join(kept)
            kept, begun = [], time
        kept.append(text)
    if kept:
        yield begun, "\n".join(kept)
