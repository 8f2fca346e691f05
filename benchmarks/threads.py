"""Do the threads of one program deliver what as many independent processes do?

    python -m benchmarks.threads MODEL.sbn [--threads 2]

By turns: one process with T threads on T cores, and T processes with one thread each, one per
core, at the same time. Throughput is images per second; the share is threads / processes. --calm
waits before a turn until the cores are calm, for so many seconds in all.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.options import add_turns, make_parser
from benchmarks.results import record
from signbin import artifact
from signbin.measure import (
    OURS,
    Assignment,
    CalmCores,
    Engine,
    WorkerProcess,
    agreement,
    choose_cores,
)
from signbin.verbs.bench import random_images

_TURN_S: Final = 0.2
_TOLERANCE: Final = 1e-6  # the same kernels in the same order of sums


def measure_threads(
    model: Path,
    threads: int,
    *,
    isa: str = "auto",
    rounds: int = 10,
    calm_s: float = 0.0,
    engine: Engine = OURS,
) -> dict[str, Any]:
    """Images per second both ways, and the median over the rounds of their quotient.

    calm_s: seconds to wait for calm cores in all.
    """
    cores = choose_cores(threads)
    calm = CalmCores(cores, calm_s)
    opened = artifact.read(model)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        images = Path(folder) / "images.npy"
        np.save(images, random_images(opened.graph, 1), allow_pickle=False)

        def start(name: str, cores: tuple[int, ...]) -> WorkerProcess:
            output = Path(folder) / f"{name}.npy"
            assignment = Assignment(
                model, images, output, len(cores), cores, {"isa": isa, "jit": True}
            )
            return stack.enter_context(WorkerProcess(engine, assignment))

        together = start("threads", cores)
        apart = [start(f"process-{core}", (core,)) for core in cores]
        for process in apart:
            agreement(together.output, process.output).require("one program", _TOLERANCE)
        counts = [_calls(together), _calls(apart[0])]
        rates = [
            (
                _images_per_s([together], counts[0], calm),
                _images_per_s(apart, counts[1], calm),
            )
            for _ in range(rounds)
        ]
    shares = [one / many for one, many in rates]
    return {
        "model": opened.graph.name,
        "threads": threads,
        "cores": list(cores),
        "rounds": rounds,
        "threads_images_per_s": float(np.median([one for one, _ in rates])),
        "processes_images_per_s": float(np.median([many for _, many in rates])),
        "share": float(np.median(shares)),
        "share_low": min(shares),
        "share_high": max(shares),
        "calm_turns": calm.calm,
        "turns": calm.asked,
    }


def _calls(side: WorkerProcess) -> int:
    """How many calls fill a turn; also the warm-up."""
    deadline, fastest = time.monotonic() + _TURN_S, float("inf")
    while time.monotonic() < deadline:
        fastest = min(fastest, *side.run(1))
    return max(3, int(_TURN_S / max(fastest, 1e-6)))


def _images_per_s(sides: Sequence[WorkerProcess], count: int, calm: CalmCores) -> float:
    """All sides at once, when the cores are calm; the sum of their rates."""
    calm.wait()
    for side in sides:
        side.start(count)
    return float(sum(1 / np.median(side.finish()) for side in sides))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one line, record."""
    parser = make_parser(__doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.sbn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--isa", default="auto")
    add_turns(parser, rounds=10, calm=True)
    options = parser.parse_args(arguments)
    rows = []
    for model in options.models:
        row = measure_threads(
            model,
            options.threads,
            isa=options.isa,
            rounds=options.rounds,
            calm_s=options.calm,
        )
        rows.append({"network": model.stem, **row})
        sys.stderr.write(
            f"{model.stem}: {row['threads']} threads {row['threads_images_per_s']:.1f} images/s, "
            f"as many processes {row['processes_images_per_s']:.1f}: {row['share']:.0%}\n"
        )
    sys.stdout.write(f"wrote {record('threads', {'rows': rows}, options.results)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
