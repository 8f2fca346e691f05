"""The kernel list, the choice of a kernel, and that a forced instruction set really runs."""

from pathlib import Path

import numpy as np
import pytest

from signbin import native
from signbin.errors import ExecutionError
from signbin.native import _signbin
from signbin.plan import Target

KERNELS = native.kernels()
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


# Images of bytes are made for dense kernels in vectors only; the scalar one reads codes.
ONLY_IN_VECTORS = {("u8", "layout", "bytes")}


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_every_op_has_a_scalar_reference(kernel) -> None:
    serving = [other for other in KERNELS if other.isa == "scalar"]
    key = (kernel.activations, kernel.strategy, kernel.op)
    references = {(other.activations, other.strategy, other.op) for other in serving}
    assert key in references | ONLY_IN_VECTORS


def test_auto_is_the_best_instruction_set_of_this_cpu() -> None:
    usable = [kernel.isa for kernel in KERNELS if kernel.usable]
    assert native.resolve_isa("auto") == [isa for isa in native.isas() if isa in usable][-1]


@pytest.mark.parametrize("name", ["", "avx1024", "Scalar", "scalar ", "auto,scalar"])
def test_an_unknown_instruction_set_is_an_error_that_names_the_choices(name) -> None:
    with pytest.raises(ExecutionError, match="auto, scalar, portable"):
        native.resolve_isa(name)
    with pytest.raises(_signbin.StatusError, match=r"SB_UNKNOWN_ISA.*auto, scalar, portable"):
        _signbin.Builder(name, 0)


# Those of this CPU: what it lacks nobody can install, so it is no skipped test either.
RUNS = [isa for isa in native.isas()[1:] if any(row.isa == isa and row.usable for row in KERNELS)]


@pytest.mark.parametrize("isa", RUNS)
def test_a_forced_instruction_set_runs_the_last_kernels_up_to_it(oracle, isa) -> None:
    serving = {
        (row.strategy, row.isa) for row in KERNELS if (row.activations, row.op) == ("f32", "conv2d")
    }
    rng = np.random.default_rng(0)
    conv = oracle.Conv(padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, "signed_binary")
    given = {"bucket": weights.native((8, 8, 4)), "dense": oracle.float_weight(weights.values)}
    for strategy, weight in given.items():
        last = next(name for name in Target.for_isa(isa).isas if (strategy, name) in serving)
        _, kernel = oracle.run_conv2d(isa, conv, weight, conv.input(rng))
        assert kernel.endswith(f"__{last}")


def test_forced_instruction_sets_run_different_code(oracle) -> None:
    """The order of additions differs, so some last bits of a long dot product differ."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((64, 999)).astype(np.float32)
    x = rng.standard_normal((4, 999)).astype(np.float32)
    results = [
        oracle.run_linear(isa, oracle.float_weight(values), x, 64)[0]
        for isa in ("scalar", "portable")
    ]
    assert np.any(results[0] != results[1])
    np.testing.assert_allclose(results[0], results[1], atol=1e-3)


@pytest.mark.parametrize("vectors", range(1, 9))
def test_the_kernel_holds_the_most_vectors_the_plan_allows(oracle, vectors) -> None:
    rng = np.random.default_rng(0)
    conv = oracle.Conv(padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, "signed_binary")
    _, chosen = oracle.run_conv2d(
        "portable", conv, weights.native((8, vectors, 4)), conv.input(rng)
    )
    held = [
        kernel.vectors
        for kernel in KERNELS
        if (kernel.activations, kernel.strategy, kernel.op, kernel.isa)
        == ("f32", "bucket", "conv2d", "portable")
        and kernel.vectors <= vectors
    ]
    assert f"v{max(held)}__" in chosen


def test_the_cpu_is_described() -> None:
    cpu = native.cpu()
    assert cpu["isa"] in native.isas()
    assert cpu["name"]
    assert all(cpu[key] >= 0 for key in ("l1_bytes", "l2_bytes", "l3_bytes"))


def test_the_library_has_the_version_of_the_project() -> None:
    project = PROJECT.read_text(encoding="utf-8")
    assert f'version = "{native.version()}"' in project
