"""Runs on the ARM side: the jobs of a folder, a mark for the plugin after each.

    python there.py FOLDER

FOLDER/jobs.json: a list of {"name", "program", "isa", "strategy", "jit"}; PROGRAM.sbn is run on
PROGRAM.npy. Writes NAME.npy, its outputs; NAME.json, the kernels and plans of its steps; and
NAME.maps, where everything lies in memory meanwhile.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np

from signbin.plan import Strategy
from signbin.runtime import Program

MARK = 900_000_000


def mark(label: int) -> None:
    """Tell the plugin: there is no process of that number, and the system call is cheap."""
    with contextlib.suppress(OSError):
        os.getpgid(MARK + label)


def main(folder: Path) -> None:
    jobs = json.loads((folder / "jobs.json").read_text(encoding="utf-8"))
    for label, job in enumerate(jobs, start=1):
        images = np.load(folder / f"{job['program']}.npy")
        strategy = Strategy(job["strategy"]) if job["strategy"] else None
        path = folder / f"{job['program']}.sbn"
        program = Program.load(path, isa=job["isa"], strategy=strategy, jit=job["jit"])
        np.save(folder / f"{job['name']}.npy", program(images))
        mark(0)
        program(images)
        mark(label)
        plans = {layer.layer: dict(layer.parameters) for layer in program.plan.layers}
        said = {"kernels": dict(program.kernels), "plans": plans}
        (folder / f"{job['name']}.json").write_text(json.dumps(said), encoding="utf-8")
        (folder / f"{job['name']}.maps").write_text(Path("/proc/self/maps").read_text("utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
