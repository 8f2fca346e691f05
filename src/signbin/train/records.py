"""Metrics of a seed: one JSON object and one CSV row per epoch, and other places if asked."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from signbin.errors import SpecError
from signbin.files import write_whole
from signbin.train.config import LoggingConfig
from signbin.train.folder import SeedFolder

__all__ = ["MetricsSink", "flat_numbers", "make_sinks", "write_metrics"]


class MetricsSink(Protocol):
    """Another place for metrics."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Take in the metrics of one epoch."""

    def close(self) -> None:
        """No more will come."""


def write_metrics(folder: SeedFolder, metrics: Sequence[Mapping[str, Any]]) -> None:
    """metrics.jsonl, complete, and metrics.csv: the numbers of every epoch without the layers'."""
    lines = "".join(json.dumps(record) + "\n" for record in metrics)
    rows = [
        {key: value for key, value in record.items() if not isinstance(value, Mapping)}
        for record in metrics
    ]
    table = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole({folder.metrics: lines.encode(), folder.table: table.getvalue().encode()})


def flat_numbers(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a record under a name with slashes; those of layers under the layer's name.

    >>> dict(flat_numbers({"loss": 0.5, "health": {"layers": [{"name": "a", "density": 0.3}]}}))
    {'loss': 0.5, 'health/a/density': 0.3}
    """
    for key, value in record.items():
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            yield f"{prefix}{key}", float(value)
        elif isinstance(value, Mapping):
            layers = value.get("layers")
            if isinstance(layers, list):
                for layer in layers:
                    yield from flat_numbers(layer, f"{prefix}{key}/{layer['name']}/")
            else:
                yield from flat_numbers(value, f"{prefix}{key}/")


def make_sinks(
    config: LoggingConfig, folder: Path, run: Mapping[str, Any]
) -> tuple[MetricsSink, ...]:
    """The sinks a configuration asks for.

    folder: of the seed. run: what the run is told, for those who keep it. SpecError where a package
    is missing.
    """
    sinks: list[MetricsSink] = []
    if config.tensorboard:
        sinks.append(_TensorBoard(folder / "tensorboard"))
    if config.wandb is not None:
        sinks.append(_WeightsAndBiases(config.wandb, folder, run))
    return tuple(sinks)


class _TensorBoard:
    """Event files that ``tensorboard --logdir`` reads."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SpecError(
                "logging.tensorboard needs TensorBoard",
                remedy="pip install 'signbin[tensorboard]', or set it to false",
            ) from error
        self._writer: Any = SummaryWriter(str(folder))

    def write(self, record: Mapping[str, Any]) -> None:
        """One scalar per number, the epoch as its step."""
        for name, value in flat_numbers(record):
            if name != "epoch":
                self._writer.add_scalar(name, value, record["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class _WeightsAndBiases:
    """A run of a Weights & Biases project; its own settings (offline, account) are respected."""

    def __init__(self, project: str, folder: Path, run: Mapping[str, Any]) -> None:
        try:
            import wandb  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SpecError(
                "logging.wandb needs the package wandb",
                remedy="pip install 'signbin[wandb]', or leave logging.wandb out",
            ) from error
        self._run: Any = wandb.init(project=project, dir=str(folder), config=dict(run))

    def write(self, record: Mapping[str, Any]) -> None:
        """All numbers of the epoch in one step."""
        self._run.log(dict(flat_numbers(record)), step=record["epoch"])

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
