"""Prometheus metrics (https://prometheus.io/docs/instrumenting/exposition_formats/).

Labels have few values: never a repository's, a client's or a user's name.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from homeport.mirror.model.record import Record
from homeport.mirror.store.api import Usage
from homeport.mirror.upstream.api import UpstreamState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0)


class Child(Protocol):
    """The part of a labelled counter or histogram that is used."""

    def inc(self, amount: float = 1) -> None: ...


class Metrics:
    """Counts records; gauges are asked for when they are scraped. A labelled child costs a look in
    a dictionary: `labels()` would cost as much as the rest of a warm request's accounting."""

    def __init__(
        self,
        *,
        states: Callable[[], Iterable[UpstreamState]],
        gauges: Callable[[], Mapping[str, float]],
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "homeport_requests",
            "Requests by what they were, how they were answered and where to.",
            ("action", "status", "cache", "upstream"),
            registry=self._registry,
        )
        self._sent = Counter(
            "homeport_sent_bytes",
            "Bytes of bodies sent to clients.",
            ("cache", "upstream"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "homeport_request_seconds",
            "Time from the request's head to the last byte of the answer.",
            ("action", "cache"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, int, str, str], tuple[Child, Child, Histogram]] = {}
        self.usage: Usage | None = None
        self._states = states
        self._gauges = gauges
        self._registry.register(self)

    def saw(self, record: Record) -> None:
        key = (record.action, record.status, record.cache, record.upstream)
        children = self._children.get(key)
        if children is None:
            action, status, cache, upstream = key
            children = (
                self._requests.labels(action, str(status), cache, upstream),
                self._sent.labels(cache, upstream),
                self._seconds.labels(action, cache),
            )
            self._children[key] = children
        requests, sent, seconds = children
        requests.inc()
        sent.inc(record.sent)
        seconds.observe(record.duration)

    def page(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """The gauges (prometheus_client's collector interface)."""
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"homeport_{name}", name.replace("_", " "), value=value)
        if self.usage is not None:
            for name, value in (
                ("blobs", self.usage.blobs),
                ("staged", self.usage.staged),
                ("free", self.usage.free),
            ):
                yield GaugeMetricFamily(f"homeport_store_{name}_bytes", "Store.", value=value)
        yield from _upstreams(tuple(self._states()))


def _upstreams(states: tuple[UpstreamState, ...]) -> Iterable[Metric]:
    healthy = GaugeMetricFamily(
        "homeport_upstream_healthy", "1 while some source answers.", labels=["upstream"]
    )
    active = GaugeMetricFamily(
        "homeport_upstream_connections", "Requests under way.", labels=["upstream"]
    )
    waiting = GaugeMetricFamily(
        "homeport_upstream_waiting", "Requests that wait for their turn.", labels=["upstream"]
    )
    limit = GaugeMetricFamily(
        "homeport_upstream_quota_limit", "The upstream's own rate limit.", labels=["upstream"]
    )
    remaining = GaugeMetricFamily(
        "homeport_upstream_quota_remaining", "What is left of it.", labels=["upstream"]
    )
    for state in states:
        healthy.add_metric([state.name], float(state.healthy))
        active.add_metric([state.name], state.active)
        waiting.add_metric([state.name], state.waiting)
        if state.quota is not None:
            limit.add_metric([state.name], state.quota.limit)
            remaining.add_metric([state.name], state.quota.remaining)
    return (healthy, active, waiting, limit, remaining)
