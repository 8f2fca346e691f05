"""From a program's outputs to named, ranked classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.documents import to_document
from signbin.errors import SpecError
from signbin.report.schema import Prediction, Ranked

__all__ = ["predictions_json", "rank"]


def rank(
    inputs: Sequence[str], scores: NDArray[np.float32], class_names: Sequence[str], top: int
) -> tuple[Prediction, ...]:
    """The ``top`` highest scores of every row of ``scores`` (N, classes), best first.

    Ties keep the class order; NaN ranks last. Classes without a name are called by number; more
    classes asked for than there are gives all of them. SpecError where scores is not (N, classes)
    with one row per input, or top < 1.
    """
    if scores.ndim != 2 or len(inputs) != scores.shape[0]:
        raise SpecError(
            "outputs to rank",
            value=scores.shape,
            allowed=f"({len(inputs)}, classes)",
            remedy="keep the raw outputs with -o OUTPUT.npy",
        )
    if top < 1:
        raise SpecError("top", value=top, allowed="at least 1")
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return tuple(
        Prediction(name, tuple(_ranked(row, int(index), class_names) for index in best))
        for name, row, best in zip(inputs, scores, order, strict=True)
    )


def predictions_json(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """{"predictions": [{"input": ..., "top": [{"class": ..., "score": ...}]}]}, NaN as null."""
    return {
        "predictions": [
            {
                "input": prediction.input,
                "top": [
                    {"class": best.name, "score": to_document(best)["score"]}
                    for best in prediction.top
                ],
            }
            for prediction in predictions
        ]
    }


def _ranked(row: NDArray[np.float32], index: int, class_names: Sequence[str]) -> Ranked:
    name = class_names[index] if index < len(class_names) else str(index)
    return Ranked(name, float(row[index]))
