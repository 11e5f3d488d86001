"""Numbers for Prometheus: requests, times of searches, what the caches hold. No words of questions, no names of files.

Fed by security.py and the routes; shown at /metrics.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SEARCH_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The numbers of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vlsa_requests", "Requests by route and status.", ["route", "status"], registry=self._registry
        )
        self._searches = Histogram(
            "vlsa_search_seconds", "Time of a search.", ["index"], registry=self._registry, buckets=SEARCH_SECONDS
        )

    def answered(self, route: str, status: int) -> None:
        """Count a response."""
        self._requests.labels(route, str(status)).inc()

    def searched(self, index: str, seconds: float) -> None:
        """Count a search."""
        self._searches.labels(index).observe(seconds)

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for when the metrics are read."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of them as Prometheus reads them."""
        return generate_latest(self._registry)
