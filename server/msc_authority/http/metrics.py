"""GET /metrics: what is observed, for Prometheus, in a registry of this authority's own."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from msc_authority.app.alerts.delivery import SinkTally
from msc_authority.app.events import EvaluationDone, Event, PolicyApplied
from msc_authority.app.insight import Insight
from msc_authority.core.evaluation import Verdict
from msc_authority.http import metric_table as table
from msc_authority.http.metric_production import production_samples
from msc_authority.http.metric_samples import (
    Sample,
    alert_samples,
    build_samples,
    delivery_samples,
    health_samples,
    samples_of,
)
from msc_authority.http.metric_table import Kind, Metric
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Audience:
    """Who looks by HTTP: how many streams of events and how many dashboards are open. Asked on the loop of HTTP."""

    streams: Callable[[], int] = int
    pages: Callable[[], int] = int

    def samples(self) -> Iterable[Sample]:
        """Yields who looks, and the tasks that it takes; these are known only on the loop."""
        yield table.EVENT_STREAMS, (), self.streams()
        yield table.DASHBOARD_PAGES, (), self.pages()
        try:
            yield table.LOOP_TASKS, ("http",), len(asyncio.all_tasks())
        except RuntimeError:
            return


class Metrics:
    """The exported metrics of one authority. What can be counted is read when asked; histograms are fed by events."""

    def __init__(
        self,
        insight: Insight,
        *,
        deliveries: Callable[[], Sequence[SinkTally]] = tuple,
        audience: Audience | None = None,
    ) -> None:
        """`deliveries` says what became of alerts that were sent out; it is called from the asking thread."""
        self._insight, self._deliveries, self._audience = insight, deliveries, audience or Audience()
        self._verdict: Verdict | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._registry = CollectorRegistry()
        self._registry.register(_Observed(self._samples))
        self._durations = _histogram(table.EVALUATION_DURATION, self._registry)
        self._propagation = _histogram(table.PROPAGATION, self._registry)
        ProcessCollector(registry=self._registry)

    async def start(self) -> None:
        """Listens from now on, and takes the health metrics of the newest evaluation."""
        self._unsubscribe = self._insight.subscribe(self._hear)
        try:
            latest = (await self._insight.evaluations()).latest
        except StoreError as error:
            _log.warning("The metrics lack the health metrics until the next evaluation: %s", error)
            return
        # One that was heard of in the meantime is newer.
        if latest and not self._verdict:
            self._verdict = latest.verdict

    def close(self) -> None:
        """Listens no more."""
        self._unsubscribe()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Returns the metrics and their content type: OpenMetrics where the Accept header asks for it, else text."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _hear(self, event: Event) -> None:
        match event:
            case EvaluationDone():
                self._verdict = event.entry.verdict or self._verdict
                _observe(self._durations, event.entry.duration_s)
            case PolicyApplied():
                _observe(self._propagation, event.propagation_s)
            case _:
                pass

    def _samples(self) -> Iterable[Sample]:
        observation = self._insight.observation
        yield from samples_of(observation)
        yield from production_samples(observation)
        if self._verdict:
            yield from health_samples(self._verdict.metrics)
        yield from alert_samples(self._insight.alerts)
        yield from delivery_samples(self._deliveries())
        yield from self._audience.samples()
        yield from build_samples()


class _Observed(Collector):
    """Makes families of the samples, in the order of the table."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples

    def describe(self) -> Iterable[Family]:
        return [_family(metric) for metric in table.METRICS if metric.kind is not Kind.HISTOGRAM]

    def collect(self) -> Iterable[Family]:
        families = {metric.name: _family(metric) for metric in table.METRICS if metric.kind is not Kind.HISTOGRAM}
        for metric, labels, value in self._samples():
            # What is unknown is left out: as 0 or as NaN it would be taken for a measurement.
            if value is not None and math.isfinite(value):
                families[metric.name].add_metric(labels, value)
        return [family for family in families.values() if family.samples]


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.help, buckets=metric.buckets, registry=registry)


def _observe(histogram: Histogram, seconds: float) -> None:
    # Two clocks may disagree by less than a tick.
    if math.isfinite(seconds):
        histogram.observe(max(0.0, seconds))
