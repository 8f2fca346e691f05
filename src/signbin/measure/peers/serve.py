"""The process an engine is timed in: requests on standard input, answers on standard output.

    python serve.py ENGINE_FILE

Both are JSON, one object per line.

    {"do": "prepare", "model": PATH, "calibration": PATH, "output": PATH, "cores": [...]}
                                 -> {"event": "prepared", "facts": {...}}
    {"do": "open", "model": PATH, "input": PATH, "checked": PATH, "output": PATH, "threads": T,
     "cores": [...], "options": {...}}
                                 -> {"event": "ready", "load_ms": ..., "facts": {...}, ...}
    {"do": "run", "count": N}    -> {"event": "times", "seconds": [N numbers]}
    {"do": "memory"}             -> {"event": "memory", "peak_bytes": ..., "baseline_bytes": ...}
    end of input                 -> the process ends

Anything that fails answers {"event": "failed", "message": ..., "missing": MODULE or null} and
ends the process. What the engine prints goes to standard error. ``open`` runs the images of
``checked``, as many at a time as ``input`` has, and writes their output, so that it can be
compared before anything is timed; ``run`` runs those of ``input``.

Needs Python 3.9 or later and numpy, and nothing of signbin: the engine may live in another
environment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np


class Worker:
    """One engine with one model."""

    def __init__(self, engine_file: Path) -> None:
        self._engine_file = engine_file
        self._run: Callable[[Any], Any] = _not_open
        self._images: Any = None
        self._baseline_bytes = 0

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request; whatever goes wrong is raised."""
        actions = {
            "prepare": self._prepare,
            "open": self._open,
            "run": self._time,
            "memory": self._memory,
        }
        return actions[request["do"]](request)

    def _prepare(self, request: Mapping[str, Any]) -> dict[str, Any]:
        os.sched_setaffinity(0, request["cores"])
        facts = _load(self._engine_file).prepare_model(request)
        return {"event": "prepared", "facts": facts}

    def _open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        os.sched_setaffinity(0, request["cores"])  # before any thread pool is made
        self._images = np.load(request["input"], allow_pickle=False)
        self._baseline_bytes = _peak_bytes()
        start = time.perf_counter()
        engine = _load(self._engine_file)
        imported = time.perf_counter()
        self._run, facts = engine.open_model({**request, "shape": list(self._images.shape)})
        opened = time.perf_counter()
        checked = np.load(request["checked"], allow_pickle=False)
        output = _in_batches(self._run, checked, len(self._images))
        np.save(request["output"], output, allow_pickle=False)
        return {
            "event": "ready",
            "import_ms": 1e3 * (imported - start),
            "load_ms": 1e3 * (opened - imported),
            "threads": request["threads"],
            "cores": sorted(os.sched_getaffinity(0)),
            "facts": facts,
        }

    def _time(self, request: Mapping[str, Any]) -> dict[str, Any]:
        run, images = self._run, self._images
        run(images)  # not timed: the other side has had the caches
        seconds = []
        for _ in range(request["count"]):
            start = time.perf_counter()
            run(images)
            seconds.append(time.perf_counter() - start)
        return {"event": "times", "seconds": seconds}

    def _memory(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "event": "memory",
            "peak_bytes": _peak_bytes(),
            "baseline_bytes": self._baseline_bytes,
        }


def serve(engine_file: Path, requests: TextIO, answers: TextIO) -> int:
    """Answer requests until they end; the exit code."""
    worker = Worker(engine_file)
    for line in requests:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # an engine may raise anything: it is passed on
            answer = {
                "event": "failed",
                "message": f"{type(error).__name__}: {error}",
                "missing": error.name if isinstance(error, ModuleNotFoundError) else None,
            }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if answer["event"] == "failed":
            return 1
    return 0


def _in_batches(run: Callable[[Any], Any], images: Any, batch: int) -> Any:
    """The outputs of all images, copied; the last batch is filled up from the beginning."""
    outputs = []
    for start in range(0, len(images), batch):
        given = np.take(images, range(start, start + batch), axis=0, mode="wrap")
        outputs.append(np.array(run(given), dtype=np.float32))
    return np.concatenate(outputs)[: len(images)]


def _not_open(_: Any) -> Any:
    raise RuntimeError("no model is open")


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("engine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _peak_bytes() -> int:
    """Largest resident size of this process.

    VmHWM starts anew with this program. ru_maxrss, the fallback, does not: it remembers how
    large the process was that started this one.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Keep the real standard output for answers, and send what engines print to the error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).parent)]
        return serve(Path(sys.argv[1]), sys.stdin, answers)


if __name__ == "__main__":
    sys.exit(main())
