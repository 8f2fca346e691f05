"""What a strategy says it adds is what it adds when it runs: the C library, built to count, is run.

Compiled here with SB_TALLIED: every vector addition of a walk or a list of sums counts one. A
layer of one output position on scalar kernels then makes exactly the counted additions.
"""

import dataclasses
import functools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from signbin.plan import SHARED_SUMS, Strategy, sums_of
from signbin.plan.layer import Layer
from signbin.plan.operations import window_total
from signbin.plan.strategies import STRATEGIES
from signbin.spec import LowBitWeight
from signbin.sums import BinaryForm

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = shutil.which(os.environ.get("CC", "cc"))
FLAGS = ["-std=c11", "-D_DEFAULT_SOURCE", "-O0", "-Wno-psabi", '-DSB_VERSION="0"', "-pthread"]
RULES = {rule.strategy: rule for rule in STRATEGIES}
ZEROS, TWO_GROUPS = 1, 2
NO_WALK = {Strategy.BITSERIAL: 2, Strategy.TABLE: 3}


def scalar_alone(c_library, folder):
    """The C files, but of the kernels of other instruction sets only names, which may not run."""
    others = [
        path for path in c_library if path.stem.startswith("sb_") and "__scalar" not in path.stem
    ]
    lines = [f"void {path.stem}(void) {{ abort(); }}" for path in others]
    names = folder / "others.c"
    names.write_text("\n".join(["#include <stdlib.h>", *lines, ""]), encoding="utf-8")
    return [*(path for path in c_library if path not in others), names]


@pytest.fixture(scope="session")
def counter(tmp_path_factory, c_library):
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("counter")
    program = folder / "count_additions"
    sources = [*scalar_alone(c_library, folder), NATIVE / "tests" / "count_additions.c"]
    include = ["-I", str(NATIVE / "include"), "-I", str(NATIVE / "src")]
    command = [COMPILER, *FLAGS, "-DSB_TALLIED", *include, *map(str, sources)]
    subprocess.run([*command, "-o", str(program), "-lm"], check=True)
    return program


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer of one output position. A weight keeps the sums that were made for it."""

    weight: LowBitWeight
    groups: int = 1
    activations: str = "f32"

    @property
    def codes(self):
        return self.weight.codes

    @property
    def linear(self):
        return self.codes.ndim == 2

    @property
    def layer(self):
        return Layer(
            name="layer",
            op="linear" if self.linear else "conv2d",
            weight=self.weight,
            groups=self.groups,
            stride=1,
            output=(1, 1),
            images=1,
            activations=self.activations,
            top=255 if self.activations == "u8" else 0,
        )


def counted(counter, case, strategy, parameters):
    """Additions that running the layer once makes."""
    layer = case.layer
    window = layer.window[0]
    mode = ZEROS if parameters.get("zeros") else TWO_GROUPS if parameters.get("two_groups") else 0
    arrays, sizes = [np.zeros(1, np.int32)] * 2, (0, 0, 0, 0)
    if strategy in SHARED_SUMS:
        sums = sums_of(layer.weight, strategy, parameters, case.groups)
        sum_list = sums.sum_list
        mode = TWO_GROUPS if sums.form is BinaryForm.TWO_GROUPS else 0
        arrays = [sum_list.starts, sum_list.operands, sum_list.roles, sum_list.segments]
        sizes = (1, sum_list.nodes, len(sum_list.operands), len(sum_list.segments) - 1)
    tile = (parameters["filters"] if strategy is Strategy.BUCKET else 1, parameters.get("chunk", 1))
    channels = layer.channels * case.groups
    numbers = [case.linear, channels, window, window, layer.filters, window, 1, 0, case.groups, 1]
    sizes = (NO_WALK[strategy], 0, 0, 0) if strategy in NO_WALK else sizes
    numbers += [layer.activations == "u8", 0, layer.top, *tile, mode, *sizes]
    described = np.array(numbers, np.int32).tobytes() + case.codes.tobytes()
    described += b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    done = subprocess.run([counter], input=described, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@functools.cache
def weight_of(kind, name):
    shape = SHAPES[name]["shape"]
    rng = np.random.default_rng(list(SHAPES).index(name))
    codes = codes_of(rng, kind, shape, SHAPES[name].get("density", 0.4))
    return LowBitWeight(codes, np.ones(len(codes), np.float32))


def codes_of(rng, kind, shape, density):
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    if kind == "binary":
        return signs
    mask = (rng.random(shape) < density).astype(np.int8)
    if kind == "ternary":
        return mask * signs
    mask[1::2] *= -1
    return mask


def expected(case, strategy, parameters):
    """The strategy's count, without the window's total, which is summed elsewhere."""
    operations = RULES[strategy].operations(case.layer, parameters)
    layer = case.layer
    if strategy in SHARED_SUMS:
        total = sums_of(layer.weight, strategy, parameters, case.groups).wanted.needs_total
    else:
        total = layer.needs_window_total and not parameters.get("two_groups")
    return operations.additions - (window_total(layer) if total else 0)


SHAPES = {
    "conv": {"shape": (19, 10, 3, 3)},
    "linear": {"shape": (13, 90)},
    "groups": {"shape": (8, 6, 3, 3), "groups": 2},
    "dense_on_codes": {"shape": (17, 64, 3, 3), "density": 0.9},
    "sparse": {"shape": (20, 12, 3, 3), "density": 0.02},
    "empty": {"shape": (5, 8, 1, 1), "density": 0.0},
}
PARAMETERS = {
    Strategy.BUCKET: [
        {"filters": 8, "chunk": 64},
        {"filters": 4, "chunk": 4},
        {"filters": 1, "chunk": 3},
        {"filters": 3, "chunk": 5, "zeros": 1},
        {"filters": 4, "chunk": 4, "two_groups": 1},
    ],
    Strategy.SPARSE: [{"filters": 1, "inputs": 60}],
    Strategy.AGR: [{"filters": 2, "inputs": 90}, {"filters": 5, "inputs": 31}],
    Strategy.SUMMERGE: [
        {"filters": 16, "inputs": 64},
        {"filters": 5, "inputs": 24, "budget": 4},
        {"filters": 16, "inputs": 64, "zeros": 1},
        {"filters": 16, "inputs": 64, "two_groups": 1},
    ],
    Strategy.CSE: [{"filters": 20, "inputs": 90}, {"filters": 20, "inputs": 30, "signed": 1}],
    Strategy.QGYM: [{"filters": 8, "inputs": 32, "steps": 200}],
    Strategy.BITSERIAL: [{}, {"two_groups": 1}],
    Strategy.TABLE: [{}],
}


@pytest.mark.parametrize("activations", ["f32", "u8"])
@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
@pytest.mark.parametrize("strategy", PARAMETERS, ids=lambda strategy: strategy.value)
def test_a_run_adds_what_the_strategy_counts(counter, strategy, kind, activations):
    if strategy is Strategy.QGYM:
        pytest.importorskip("egglog.bindings", reason="no egglog: pip install 'signbin[qgym]'")
    if strategy is Strategy.BITSERIAL and activations == "f32":
        assert RULES[strategy].applies(Case(weight_of(kind, "linear")).layer) is not None
        return
    for name, shape in SHAPES.items():
        case = Case(weight_of(kind, name), shape.get("groups", 1), activations)
        if strategy is Strategy.TABLE and not case.linear:
            continue
        for parameters in PARAMETERS[strategy]:
            if strategy is Strategy.BUCKET and parameters["filters"] > 4 and kind == "ternary":
                continue
            made = counted(counter, case, strategy, parameters)
            assert made == expected(case, strategy, parameters), f"{name} {parameters}"
