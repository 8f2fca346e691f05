"""The parts of a request on a Ray cluster: one program per worker, loaded once; needs ray.

Workers write the parts themselves, into a folder that all machines share, as they read the data
from one. What Ray starts again after a worker was lost is the part that it was at: its file is
written whole or not at all, so nothing is lost and nothing stands there twice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from signbin.errors import SpecError
from signbin.predict.output import OutputFolder, ScoringRequest
from signbin.predict.score import PartScorer

__all__ = ["LOCAL", "score_on_cluster"]

LOCAL: Final = "local"
"""The address that starts a cluster of this machine alone, and ends it afterwards."""


class ScoringWorker:
    """What Ray keeps in every worker's process."""

    def __init__(self, scorer: PartScorer) -> None:
        self._scorer = scorer

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Rows written per part."""
        rows = [self._scorer.score(int(part)) for part in batch["part"]]
        return {"part": batch["part"], "rows": np.array(rows), "process": [os.getpid()] * len(rows)}


def score_on_cluster(  # noqa: PLR0913, PLR0917 - score_all's, and where
    scorer: PartScorer,
    request: ScoringRequest,
    output: OutputFolder,
    advance: Callable[[int, int], None],
    address: str,
    workers: int | None = None,
    threads: int = 1,
) -> None:
    """:func:`score_all` by the workers of a Ray cluster.

    scorer: pickled for every worker; its program is packed for the CPU there. address: of a running
    cluster (``auto``, ``HOST:PORT``), or ``local``. workers: as many as the cluster has cores for
    at once where None. threads: cores that each takes.
    """
    missing = output.missing(request)
    done = request.rows - sum(int(np.diff(request.span(part))[0]) for part in missing)
    advance(done, request.rows)
    if not missing:
        return
    with _connected(address) as ray:
        from ray import data  # noqa: PLC0415

        data.DataContext.get_current().enable_progress_bars = False
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        items = [{"part": part} for part in missing]
        # A block each, and nothing to do but the scoring: workers may take all cores there are.
        scored = data.from_items(items, override_num_blocks=len(items)).map_batches(
            ScoringWorker,
            fn_constructor_args=(scorer,),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(count, len(missing))),
            num_cpus=threads,
        )
        for row in scored.iter_rows():
            done += int(row["rows"])
            advance(done, request.rows)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected until the end."""
    import ray  # noqa: PLC0415 - an extra

    quiet: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
    with _own_cluster() if address == LOCAL else contextlib.nullcontext():
        try:
            if address == LOCAL:
                # Without an address Ray would join the last cluster that began here, and wait for
                # one that was lost; it takes its own word for a new one.
                own: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
                ray.init(address="local", **own, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError) as error:
            raise SpecError(
                "--ray",
                value=address,
                reason=str(error).partition("\n")[0],
                allowed="auto or HOST:PORT of a running cluster, or local",
                remedy="start one: ray start --head; what it lets in has its token, RAY_AUTH_TOKEN",
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _own_cluster() -> Iterator[None]:
    """What Ray reads for a cluster that lives no longer than this.

    It reports its use to nobody, and lets in who knows a word that is nowhere written. Ray would
    make one too, but leave it in the home folder; whoever connects with it afterwards to a cluster
    that began without one is refused.
    """
    said = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    kept = ["RAY_AUTH_MODE", *said]  # Ray sets the first itself
    before = {name: os.environ.get(name) for name in kept}
    os.environ.update(said)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
