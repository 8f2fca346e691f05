"""Parts of a request, scored: by this process, or by workers that have one of these each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.predict.facing import ScoredNetwork
from signbin.predict.output import OutputFolder, ScoredRows, ScoringRequest
from signbin.predict.sources import ImageRows, open_images

__all__ = ["PartScorer", "request_for", "score_all"]

_BATCH: Final = 32


def request_for(
    data: Path,
    network: ScoredNetwork,
    column: str | None,
    part_rows: int,
    *,
    keep_going: bool,
) -> ScoringRequest:
    """The request to score data as they are now; errors as :func:`open_images`."""
    images = open_images(data, network, column)
    return ScoringRequest(
        data=str(data.absolute()),
        fingerprint=images.fingerprint,
        rows=len(images),
        model=network.name,
        digest=network.digest,
        column=column,
        part_rows=part_rows,
        keep_going=keep_going,
    )


class PartScorer:
    """Scores parts of a request into its folder. The data are opened on the first part.

    program: what is called with batches (N, ...) float32 and gives one array (N, ...).
    """

    def __init__(
        self,
        program: Callable[[Any], Any],
        network: ScoredNetwork,
        request: ScoringRequest,
        folder: Path,
    ) -> None:
        self._program, self._network, self._request = program, network, request
        self._output, self._images = OutputFolder(folder), None

    _images: ImageRows | None

    def __getstate__(self) -> dict[str, Any]:
        """Whoever gets it opens the data by itself."""
        return {**self.__dict__, "_images": None}

    def score(self, part: int) -> int:
        """Write a part; its rows. Errors as :func:`score_all`."""
        images = self._opened()
        first, last = self._request.span(part)
        scores: list[NDArray[np.float32]] = []
        errors: list[str | None] = []
        for start in range(first, last, _BATCH):
            batch, failed = self._batch(images, start, min(start + _BATCH, last))
            scores.append(_scored(self._program, batch))
            errors += failed
        whole = np.concatenate(scores)
        whole[[error is not None for error in errors]] = np.nan
        made = ScoredRows(images.names(first, last), whole, errors)
        self._output.write(part, first, made, self._network.class_names)
        return last - first

    def _opened(self) -> ImageRows:
        if self._images is None:
            request = self._request
            self._images = open_images(Path(request.data), self._network, request.column)
            if self._images.fingerprint != request.fingerprint:
                raise SpecError(
                    "data to score",
                    value=request.data,
                    reason="they have changed since scoring began, or are others on this machine",
                    remedy="score them into another folder",
                )
        return self._images

    def _batch(
        self, images: ImageRows, first: int, last: int
    ) -> tuple[NDArray[np.float32], list[str | None]]:
        """Samples of the rows, zeros for those that cannot be read, and why they cannot."""
        rows: list[NDArray[np.float32] | None] = []
        errors: list[str | None] = []
        for row in range(first, last):
            try:
                rows.append(images.read(row))
                errors.append(None)
            except (FormatError, ExecutionError) as error:
                if not self._request.keep_going:
                    error.add_note("--keep-going scores the others and keeps the error in its row")
                    raise
                rows.append(None)
                errors.append(str(error))
        shape = tuple(max(1, extent) for extent in self._network.given.type.shape[1:])
        shape = next((row.shape for row in rows if row is not None), shape)
        filled = [np.zeros(shape, np.float32) if row is None else row for row in rows]
        if len({row.shape for row in filled}) > 1:
            raise ExecutionError(
                "images of one batch",
                value=sorted({row.shape for row in filled}),
                allowed="one size",
                remedy="resize them to one",
            )
        return np.stack(filled), errors


def _scored(program: Callable[[Any], Any], batch: NDArray[np.float32]) -> NDArray[np.float32]:
    made = program(batch)
    if not isinstance(made, np.ndarray) or made.shape[:1] != batch.shape[:1]:
        raise SpecError(
            "outputs of the network",
            value=type(made).__name__,
            allowed="one array of scores per image",
            remedy="run it from Python: signbin.load(path)",
        )
    return made


def score_all(
    scorer: PartScorer,
    request: ScoringRequest,
    output: OutputFolder,
    advance: Callable[[int, int], None],
) -> None:
    """Score every part that is missing; ``advance(rows done, rows)`` after each.

    FormatError or ExecutionError for a row that cannot be read, unless the request keeps going;
    SpecError where the data are no longer those of the request.
    """
    missing = output.missing(request)
    done = request.rows - sum(np.diff(request.span(part))[0] for part in missing)
    advance(int(done), request.rows)
    for part in missing:
        done += scorer.score(part)
        advance(int(done), request.rows)
