"""The latent weights of a run, layer by layer: how they are spread, and which of them count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError, SignbinError
from signbin.report.schema import ReportedLatent

__all__ = ["Codes", "latent_weights"]

_BINS: Final = 49
Codes = Mapping[str, NDArray[np.int8]]
"""The codes of a compiled model, by the module that they were trained in."""


def latent_weights(path: Path, layers: Sequence[str], codes: Codes) -> Iterator[ReportedLatent]:
    """Of the layers in a ``model.safetensors``; none without the file.

    codes: of the model compiled from it. A layer has no effectual weights here whose codes cannot
    be those of its weights, or have another shape because the compiler cut it. FormatError for a
    damaged file.
    """
    if not path.is_file():
        return
    with _opened(path) as weights:
        stored = set(weights.keys())
        for layer in layers:
            if f"{layer}.weight" in stored:
                values = _tensor(weights, f"{layer}.weight", path)
                yield _described(layer, values, codes.get(layer))


def _opened(path: Path) -> Any:
    try:
        import safetensors  # noqa: PLC0415 - an extra: a report without it shows no weights
    except ModuleNotFoundError as error:
        raise SignbinError(
            "reading the weights of a run needs safetensors",
            remedy="run: pip install 'signbin[train]'",
        ) from error
    try:
        return safetensors.safe_open(path, framework="numpy")
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(path, error) from error


def _tensor(weights: Any, name: str, path: Path) -> NDArray[np.float32]:
    try:
        values = weights.get_tensor(name)
    except Exception as error:  # whatever a damaged header leads the reader to
        raise _damaged(path, error) from error
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.floating):
        raise FormatError(f"{path}: {name}", value=values.dtype, allowed="floating numbers")
    return values.astype(np.float32, copy=False)


def _damaged(path: Path, error: Exception) -> FormatError:
    return FormatError(f"{path} is damaged", reason=str(error), remedy="train again")


def _described(
    layer: str, values: NDArray[np.float32], codes: NDArray[np.int8] | None
) -> ReportedLatent:
    finite = np.isfinite(values)
    kept = values[finite]
    largest = float(np.abs(kept).max()) if kept.size else 0.0
    counts = _histogram(kept, largest)
    if codes is None or not _belong(codes, values):
        return ReportedLatent(layer, largest, counts)
    counted = _histogram(values[finite & (codes != 0)], largest)
    return ReportedLatent(layer, largest, counts, counted)


def _belong(codes: NDArray[np.int8], values: NDArray[np.float32]) -> bool:
    """Whether the codes can be of these weights: a code has the sign of its weight.

    But in filters that the compiler turned around, since more than half of their codes were not
    zero: there the codes that were not are those that are zero now, of weights of one sign.
    """
    if codes.shape != values.shape or not len(values):
        return False
    rows, signs = values.reshape(len(values), -1), codes.reshape(len(values), -1)
    turned = np.any(rows * signs < 0, axis=1)
    before = np.where(signs == 0, rows, 0.0)[turned]
    mixed = (before.min(axis=1, initial=0) < 0) & (before.max(axis=1, initial=0) > 0)
    return not bool(np.any(mixed))


def _histogram(values: NDArray[np.float32], largest: float) -> tuple[int, ...]:
    edge = largest or 1.0
    counts, _ = np.histogram(values, bins=_BINS, range=(-edge, edge))
    return tuple(counts.tolist())
