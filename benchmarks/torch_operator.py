"""What does a program cost inside a model of PyTorch?

    python -m benchmarks.torch_operator [--network resnet18] [--images 1]

The network with its body, all in front of the classifier, replaced by the operator; all of it as
the operator; and its stages alone, with the stem and the classifier left to PyTorch. All are held
against the module in PyTorch first, then against the program of the whole network, by turns on one
thread. The ratio is model / program, round by round.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

import signbin
from benchmarks.options import add_turns, make_parser
from benchmarks.results import record
from signbin.measure import (
    CalmCores,
    InProcess,
    Schedule,
    Tolerance,
    agreement,
    choose_cores,
    paired_ratio,
    take_turns,
)
from signbin.nn import ProgramModule
from signbin.train import BenchmarkNetwork, new_network
from signbin.verbs.source import load_source

_TOLERANCE: Final = 1e-4
_TURN_S: Final = 0.02  # a call or two: many short turns meet the same machine
_STAGES: Final = ("layer1", "layer2", "layer3", "layer4")


def measure_models(
    name: str, images: int, schedule: Schedule, calm: CalmCores | None = None, **made: Any
) -> list[dict[str, Any]]:
    """A row for every model that has some of the network as an operator."""
    module, x = _network(name, images, **made)
    with torch.inference_mode():
        whole = signbin.compile(module, (x[:1],))
        models = {
            "body replaced, classifier in PyTorch": _body_replaced(module, x),
            "all of it": ProgramModule(whole),
            "stages replaced, stem and classifier in PyTorch": _stages_replaced(module, x),
        }
        expected = module(x).numpy()
        rows = []
        for title, model in models.items():
            found = agreement(model(x).numpy(), expected)
            Tolerance(_TOLERANCE).require(title, found)
            row = {"network": name, "model": title, "images": images}
            row |= {"error": found.max_relative_error}
            rows.append({**row, **_times(model, whole, x, schedule, calm)})
    return rows


def _network(name: str, images: int, **made: Any) -> tuple[Any, Tensor]:
    """A network with random weights, and images for it."""
    with tempfile.TemporaryDirectory() as folder:
        new_network(BenchmarkNetwork(name, **made), Path(folder) / "run")
        source = load_source(str(Path(folder) / "run"))
    (example,) = source.example_inputs
    numbers = np.random.default_rng(0).normal(size=(images, *example.shape[1:]))
    module: Any = source.model
    return module.eval(), torch.from_numpy(numbers.astype(np.float32))


def _body_replaced(module: Any, x: Tensor) -> nn.Module:
    """An ImageNet residual network of which only the classifier is PyTorch's."""
    body = copy.deepcopy(module)
    body.fc = nn.Identity()
    return nn.Sequential(ProgramModule(signbin.compile(body, (x[:1],))), module.fc)


def _stages_replaced(module: Any, x: Tensor) -> nn.Module:
    """The same with a stem, pooling and classifier of PyTorch."""
    made = copy.deepcopy(module)
    stages = nn.Sequential(*(getattr(made, stage) for stage in _STAGES))
    features = made.maxpool(made.relu(made.bn1(made.conv1(x[:1]))))
    first, *others = _STAGES
    setattr(made, first, ProgramModule(signbin.compile(stages, (features,))))
    for name in others:
        setattr(made, name, nn.Identity())
    replaced: nn.Module = made
    return replaced


def _times(
    model: nn.Module,
    program: signbin.Program,
    x: Tensor,
    schedule: Schedule,
    calm: CalmCores | None,
) -> dict[str, float]:
    array = x.numpy()
    sides = [InProcess("model", lambda: model(x)), InProcess("program", lambda: program(array))]
    times = take_turns(sides, schedule, calm)
    found = paired_ratio(times["model"], times["program"]).to_json()
    for name in times:
        told = times[name].to_json()
        found |= {f"{name}_ms": told["median_ms"], f"{name}_least_ms": told["min_ms"]}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a model, record."""
    parser = make_parser(__doc__)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--images", type=int, default=1)
    add_turns(parser, rounds=100, calm=True)
    options = parser.parse_args(arguments)
    cores = choose_cores(1)
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(1)
    schedule, calm = Schedule(options.rounds, turn_s=_TURN_S), CalmCores(cores, options.calm)
    rows = measure_models(options.network, options.images, schedule, calm)
    for row in rows:
        line = f"{row['network']}, {row['model']}: {row['model_ms']:.3f} ms, {row['ratio']:.3f}"
        sys.stderr.write(f"{line} of the program's {row['program_ms']:.3f} ms\n")
    content = {"rows": rows, "threads": 1, "cores": list(cores)}
    sys.stdout.write(f"wrote {record('torch_operator', content, options.results)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
