"""`/metrics` for Prometheus: values are read from the running objects when they are asked for.

Nothing is counted on a call's path for the sake of a metric; a scrape reads the totals that are kept anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Family = CounterMetricFamily | GaugeMetricFamily


class Sample(msgspec.Struct, frozen=True):
    """One value: `kind` is counter, gauge or histogram; the name without prefix and `_total`.

    Of a histogram `value` is the sum, and `buckets` are (upper bound, how many not above it), `+Inf` last.
    """

    name: str
    help: str
    value: float
    kind: str = "gauge"
    labels: dict[str, str] = {}
    buckets: tuple[tuple[str, float], ...] = ()


class _Live(Collector):
    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family | HistogramMetricFamily]:
        families: dict[str, Family] = {}
        for sample in self._read():
            if sample.buckets:
                name = f"rappel_{sample.name}"
                yield HistogramMetricFamily(name, sample.help, buckets=sample.buckets, sum_value=sample.value)
                continue
            make = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
            name = f"rappel_{sample.name}"
            if name not in families:
                families[name] = make(name, sample.help, labels=list(sample.labels))
            families[name].add_metric(list(sample.labels.values()), sample.value)
        yield from families.values()


class Metrics:
    """The registry behind `/metrics`."""

    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Live(read))

    def also(self, read: Callable[[], Iterable[Sample]]) -> None:
        """Read from there, too."""
        self._registry.register(_Live(read))

    def render(self) -> bytes:
        """Return the text exposition format."""
        return generate_latest(self._registry)
