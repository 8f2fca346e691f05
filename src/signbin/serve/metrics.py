"""What a server counts, in the text form of Prometheus."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["ServerMetrics"]

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class ServerMetrics:
    """Counts of one server; a registry of its own, so that a process may have several."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        add: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "signbin_requests", "Requests that were answered.", ("model", "status"), **add
        )
        self._seconds = Histogram(
            "signbin_request_seconds",
            "From a request's body to its answer.",
            ("model",),
            buckets=_SECONDS,
            **add,
        )
        self._waits = Histogram(
            "signbin_queue_seconds", "In the queue.", ("model",), buckets=_SECONDS, **add
        )
        self._batches = Histogram(
            "signbin_batch_rows", "Rows run together.", ("model",), buckets=_ROWS, **add
        )
        self._queue = Gauge("signbin_queue_requests", "Requests that wait.", ("model",), **add)
        self._reloads = Counter(
            "signbin_reloads", "Files that were read again.", ("model", "outcome"), **add
        )

    def request(self, model: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(model, str(status)).inc()
        self._seconds.labels(model).observe(seconds)

    def waited(self, model: str, seconds: float) -> None:
        """A request has left the queue."""
        self._waits.labels(model).observe(seconds)

    def batch(self, model: str, rows: int) -> None:
        """A batch begins."""
        self._batches.labels(model).observe(rows)

    def queue(self, model: str, requests: int) -> None:
        """So many wait."""
        self._queue.labels(model).set(requests)

    def reload(self, model: str, outcome: str) -> None:
        """A file was read again."""
        self._reloads.labels(model, outcome).inc()

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
