"""Every metric of the service, declared once. `docs/operations.md` lists them, and a test compares the two."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REMEMBERED = 1_024
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class _Tokens(Protocol):
    @property
    def input(self) -> int: ...
    @property
    def output(self) -> int: ...


class LLMCall(Protocol):
    """One call of a model as the worker reports it. `cost` in dollars, `seconds` of waiting; None where unknown."""

    @property
    def model(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def usage(self) -> _Tokens | None: ...
    @property
    def cost(self) -> float | None: ...
    @property
    def seconds(self) -> float | None: ...


class Metrics:
    """The metrics of one application, in a registry of their own so that two applications do not mix."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.deliveries = Counter(
            "whydenied_deliveries_total",
            "Deliveries to /ingest by connection and outcome.",
            ["connection", "outcome"],
            registry=registry,
        )
        self.delivery_seconds = Histogram(
            "whydenied_delivery_seconds", "Time from a delivery's headers to its acknowledgement.", registry=registry
        )
        self.records_passed_over = Counter(
            "whydenied_records_passed_over_total",
            "Records of logs and traces that were understood and look like no failure, by connection.",
            ["connection"],
            registry=registry,
        )
        self.events = Counter(
            "whydenied_events_total",
            "Events accepted by connection; kind is new, folded or duplicate.",
            ["connection", "kind"],
            registry=registry,
        )
        self.matches = Counter(
            "whydenied_matches_total",
            "New events by the verdict of the rule that answered; none where no rule did.",
            ["verdict"],
            registry=registry,
        )
        self.commit_batch_size = Histogram(
            "whydenied_commit_batch_size", "Events per database transaction.", buckets=_SIZES, registry=registry
        )
        self.commit_seconds = Histogram(
            "whydenied_commit_seconds", "Time of one database transaction with events.", registry=registry
        )
        self.deleted = Counter(
            "whydenied_deleted_total", "Records that retention deleted for their age.", registry=registry
        )
        self.queue_depth = Gauge(
            "whydenied_queue_depth", "Submissions that wait for their transaction.", registry=registry
        )
        self.pulls = Counter(
            "whydenied_pulls_total",
            "Pulls by connection and outcome: ok, later, refused, gone, failed, unstored, broken.",
            ["connection", "outcome"],
            registry=registry,
        )
        self.texts_asked_for = Counter(
            "whydenied_texts_asked_for_total",
            "Deliveries without an error text by connection; outcome is found or without.",
            ["connection", "outcome"],
            registry=registry,
        )
        self.sign_ins = Counter(
            "whydenied_sign_ins_total",
            "Sign-ins of people by way (password or provider); outcome is ok, refused or braked.",
            ["way", "outcome"],
            registry=registry,
        )
        self.llm_calls = Counter(
            "whydenied_llm_calls_total", "LLM calls by model and outcome.", ["model", "outcome"], registry=registry
        )
        self.llm_tokens = Counter(
            "whydenied_llm_tokens_total",
            "LLM tokens by model; direction is input or output.",
            ["model", "direction"],
            registry=registry,
        )
        self.llm_cost = Counter(
            "whydenied_llm_cost_dollars_total", "Estimated cost of LLM calls.", ["model"], registry=registry
        )
        self.llm_seconds = Histogram(
            "whydenied_llm_seconds",
            "Time of one LLM call.",
            ["model"],
            buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120),
            registry=registry,
        )
        # Looking a counter up by its labels costs more than counting; every event does it three times.
        self.delivery_counter = lru_cache(_REMEMBERED)(self.deliveries.labels)
        self.event_counter = lru_cache(_REMEMBERED)(self.events.labels)
        self.match_counter = lru_cache(_REMEMBERED)(self.matches.labels)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def count_failures_with(
        self, by_status: Callable[[], Mapping[str, int]], by_analysis: Callable[[], Mapping[str, int]]
    ) -> None:
        """Report failures by review status and by state of analysis, read whenever metrics are asked for."""
        self.registry.register(_Failures("whydenied_failures", "Failures by review status.", "status", by_status))
        told = "Failures by state of their analysis."
        self.registry.register(_Failures("whydenied_failures_by_analysis", told, "state", by_analysis))

    def count_llm_call(self, call: LLMCall) -> None:
        """Count one call of a model, what it used and what it cost."""
        self.llm_calls.labels(call.model, call.outcome).inc()
        if call.usage is not None:
            self.llm_tokens.labels(call.model, "input").inc(call.usage.input)
            self.llm_tokens.labels(call.model, "output").inc(call.usage.output)
        if call.cost is not None:
            self.llm_cost.labels(call.model).inc(call.cost)
        if call.seconds is not None:
            self.llm_seconds.labels(call.model).observe(call.seconds)

    def count_commit(self, size: int, seconds: float) -> None:
        """Count one transaction of the writer."""
        self.commit_batch_size.observe(size)
        self.commit_seconds.observe(seconds)

    def count_pull(self, connection: str, outcome: str) -> None:
        """Count one pull."""
        self.pulls.labels(connection, outcome).inc()

    def count_text(self, connection: str, outcome: str) -> None:
        """Count a delivery whose text was asked for."""
        self.texts_asked_for.labels(connection, outcome).inc()

    def count_sign_in(self, way: str, outcome: str) -> None:
        """Count one sign-in, or one that was refused."""
        self.sign_ins.labels(way, outcome).inc()

    def count_passed_over(self, connection: str, count: int) -> None:
        """Count records that look like no failure."""
        if count:
            self.records_passed_over.labels(connection).inc(count)

    def page(self) -> bytes:
        """The text that a Prometheus server scrapes. Blocks on the database."""
        return generate_latest(self.registry)


class _Failures(Collector):
    def __init__(self, name: str, told: str, label: str, counts: Callable[[], Mapping[str, int]]) -> None:
        self._name, self._told, self._label = name, told, label
        self._counts = counts

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(self._name, self._told, labels=[self._label])]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._told, labels=[self._label])
        for value, count in self._counts().items():
            family.add_metric([value], count)
        return [family]
