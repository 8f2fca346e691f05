"""Walks as machine code: the bits of the compiled walks, and what happens where it is refused."""

import dataclasses
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin import native
from signbin.native import _signbin

GENERATED = [row for row in native.kernels() if row.generated and row.usable]
VALUE_SETS = ["signed_binary", "binary", "ternary", "centred"]

pytestmark = pytest.mark.skipif(
    not (GENERATED and _signbin.generates()),
    reason="no memory to run generated code from, or no kernel that does",
)


@dataclasses.dataclass(frozen=True)
class Run:
    """One convolution, built with and without generated code."""

    row: object
    conv: object
    weights: object
    tile: tuple[int, int, int]
    mode: str = "DEFAULT"
    threads: int = 1

    def build(self, *, generates):
        """(program, its shape). Codes are quantised first, with zero point 128."""
        conv, codes = self.conv, self.row.activations == "u8"
        builder = _signbin.Builder(self.row.isa, 1 << 22, 0, self.threads, generates)
        shape = (conv.channels, *conv.size)
        given = layer_input = builder.add_value(shape, _signbin.Place.INPUT)
        result = builder.add_value((conv.filters, *conv.output), _signbin.Place.OUTPUT)
        if codes:
            layer_input = builder.add_value(shape, _signbin.Place.ARENA, codes=(128, 255))
            builder.add_direct("quantize", given, layer_input, real=(20.0,))
        weight = _signbin.Weight(
            strategy=_signbin.Strategy.BUCKET,
            codes=self.weights.codes.reshape(-1),
            scale=self.weights.scale,
            offset=self.weights.offset,
            tile=self.tile,
            mode=getattr(_signbin.WalkMode, self.mode),
            generated=True,
        )
        builder.add_conv2d(
            layer_input, result, conv.window, conv.groups, weight, _signbin.Epilogue()
        )
        return builder.finish()

    def output(self, program, x):
        y = np.full((len(x), self.conv.filters, *self.conv.output), np.nan, np.float32)
        program.run([x], [y], len(x))
        return y


def check_same_bits(run, x):
    """Generated code ran, and gave what the compiled walks give."""
    generated, compiled = run.build(generates=True), run.build(generates=False)
    assert generated.step_kernels()[-1] == run.row.name
    assert "_g8v" not in compiled.step_kernels()[-1]
    assert compiled.machine_code_bytes() == 0
    assert (generated.machine_code_bytes() > 0) == bool(
        run.weights.codes.any() or run.mode != "DEFAULT"
    )
    ours, theirs = run.output(generated, x), run.output(compiled, x)
    np.testing.assert_array_equal(ours.view(np.int32), theirs.view(np.int32))


def tile_of(row, value_set, chunk=64, filters=8):
    return (min(filters, 4) if value_set == "ternary" else filters, row.vectors, chunk)


@pytest.mark.parametrize("density", [0.0, 0.05, 0.35, 0.7, 1.0])
@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", GENERATED, ids=lambda row: row.name)
def test_generated_walks_give_the_bits_of_compiled_ones(oracle, row, value_set, density):
    rng = np.random.default_rng(int(100 * density))
    conv = oracle.Conv(channels=70, size=(13, 17), filters=45, padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, value_set, density)
    check_same_bits(Run(row, conv, weights, tile_of(row, value_set)), conv.input(rng))


@pytest.mark.parametrize("mode", ["ZEROS", "TWO_GROUPS"])
@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("row", GENERATED, ids=lambda row: row.name)
def test_every_mode_of_walking_is_generated(oracle, row, value_set, mode):
    rng = np.random.default_rng(1)
    conv = oracle.Conv(channels=20, size=(9, 9), filters=13, padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, value_set)
    check_same_bits(Run(row, conv, weights, (3, row.vectors, 7), mode), conv.input(rng))


@pytest.mark.parametrize("mode", ["DEFAULT", "ZEROS"])
@pytest.mark.parametrize("row", GENERATED, ids=lambda row: row.name)
def test_filters_without_non_zeros_add_up_to_nothing(oracle, row, mode):
    """Their flips cancel, also of those outputs that wait in memory."""
    rng = np.random.default_rng(2)
    conv = oracle.Conv(channels=20, size=(9, 9), filters=48, padding=(1, 1))
    weights = oracle.low_bit(rng, conv.weight_shape, "signed_binary")
    weights.codes[[0, 5, 7, 8, 22, 47]] = 0
    weights.codes[16:20, :10] = 0
    check_same_bits(Run(row, conv, weights, (8, row.vectors, 10), mode), conv.input(rng))


@pytest.mark.parametrize("filters", range(1, 9))
@pytest.mark.parametrize("row", GENERATED, ids=lambda row: row.name)
def test_every_number_of_filters_is_generated(oracle, row, filters):
    """With few filters all outputs are in registers; with many, some are in memory."""
    rng = np.random.default_rng(filters)
    conv = oracle.Conv(channels=11, size=(5, 6), filters=57)
    for value_set in VALUE_SETS:
        weights = oracle.low_bit(rng, conv.weight_shape, value_set)
        run = Run(row, conv, weights, tile_of(row, value_set, 5, filters))
        check_same_bits(run, conv.input(rng))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.0, 1e-42])
@pytest.mark.parametrize(
    "row", [row for row in GENERATED if row.activations == "f32"], ids=lambda row: row.name
)
def test_odd_numbers_come_out_alike(oracle, row, bad):
    rng = np.random.default_rng(3)
    conv = oracle.Conv(channels=5, size=(9, 9), filters=20, padding=(1, 1))
    x = conv.input(rng, 1)
    x[0, :, 4, :] = bad
    run = Run(row, conv, oracle.low_bit(rng, conv.weight_shape, "ternary"), (4, row.vectors, 3))
    programs = [run.build(generates=generates) for generates in (True, False)]
    ours, theirs = (run.output(program, x) for program in programs)
    np.testing.assert_array_equal(ours, theirs)
    number = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours)[number], np.signbit(theirs)[number])


@st.composite
def runs(draw, oracle):
    row = draw(st.sampled_from(GENERATED))
    groups = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    least = [
        max(1, d * (k - 1) + 1 - sum(padding[axis::2]))
        for axis, (k, d) in enumerate(zip(kernel, dilation, strict=True))
    ]
    conv = oracle.Conv(
        channels=groups * draw(st.integers(1, 70)),
        filters=groups * draw(st.integers(1, 40)),
        groups=groups,
        size=tuple(draw(st.integers(low, low + 24)) for low in least),
        kernel=kernel,
        stride=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
    )
    value_set = draw(st.sampled_from(VALUE_SETS))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    weights = oracle.low_bit(rng, conv.weight_shape, value_set, draw(st.floats(0, 1)))
    tile = tile_of(row, value_set, draw(st.integers(1, 80)), draw(st.integers(1, 8)))
    return Run(row, conv, weights, tile, threads=draw(st.integers(1, 4))), conv.input(rng, 2)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_geometry_tile_and_number_of_threads_gives_the_same_bits(oracle, data):
    check_same_bits(*data.draw(runs(oracle)))


WIDE = [row for row in GENERATED if (row.activations, row.vectors) == ("f32", 3)]


@pytest.mark.skipif(not WIDE, reason="no kernel of this CPU makes so much code of a layer")
def test_code_that_would_not_fit_is_not_made(oracle):
    """About 300 MB of code, above the limit of 256 MB: the compiled walks run."""
    rng = np.random.default_rng(0)
    conv = oracle.Conv(channels=1024, size=(3, 3), filters=1400)
    weights = oracle.low_bit(rng, conv.weight_shape, "signed_binary", 0.97)
    run = Run(WIDE[0], conv, weights, (1, 3, 64))
    program = run.build(generates=True)
    assert program.machine_code_bytes() == 0
    assert program.step_kernels()[-1] == run.build(generates=False).step_kernels()[-1]
    x = conv.input(rng, 1)
    assert np.isfinite(run.output(program, x)).all()


REFUSED = """
import ctypes, struct, sys
import numpy as np
from signbin import native
from signbin.artifact import Artifact
from signbin.diagnose import doctor
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.native import _signbin
from signbin.runtime import Program
from signbin.spec import LowBitWeight

rng = np.random.default_rng(0)
codes = (rng.random((32, 16, 3, 3)) < 0.4).astype(np.int8)
weight = LowBitWeight(codes, np.ones(32, np.float32))
kind = TensorType("f32", (BATCH, 32, 14, 14))
node = Node("y", "conv2d", ("x",), {"weight": ConstRef("w"), "padding": (1, 1)}, kind)
given = Value("x", TensorType("f32", (BATCH, 16, 14, 14)))
artifact = Artifact(Graph("g", (given,), (node,), ("y",), {"w": weight}))
x = rng.standard_normal((2, 16, 14, 14), dtype=np.float32)
before = Program(artifact, isa="avx2")
assert "_g8v" in before.kernels["y"], before.kernels
tile = before.plan.layers[0].parameters

# seccomp: mprotect (10) with PROT_EXEC (4) in its third argument is refused with EACCES (13).
load, jump, test, allow = 0x20, 0x15, 0x45, 0x7FFF0000
program = b"".join(struct.pack("HBBI", *line) for line in [
    (load, 0, 0, 0), (jump, 0, 3, 10), (load, 0, 0, 32), (test, 0, 1, 4),
    (0x06, 0, 0, 0x00050000 | 13), (0x06, 0, 0, allow)])
kept = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", 6, ctypes.addressof(kept))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):
    sys.exit(77)

assert not _signbin.generates() and not native.cpu()["generates"]
after = Program(artifact, isa="avx2")
assert after.code_bytes == 0 and "_g8v" not in after.kernels["y"], after.kernels
assert "no generated code: the system gives no memory to run it from" in after.plan.layers[0].why
np.testing.assert_allclose(after(x), before(x), rtol=0, atol=1e-4)
check = next(check for check in doctor() if check.name == "generated code")
assert check.status.value == "warn" and check.remedy

# A plan made elsewhere still asks for code: the library falls back by itself, with the same bits.
builder = _signbin.Builder("avx2", 0, generates=True)
builder.add_value((16, 14, 14), _signbin.Place.INPUT)
builder.add_value((32, 14, 14), _signbin.Place.OUTPUT)
asked = _signbin.Weight(strategy=_signbin.Strategy.BUCKET, codes=codes.reshape(-1),
                        scale=np.ones(32, np.float32), generated=True,
                        tile=(tile["filters"], tile["vectors"], tile["chunk"]))
builder.add_conv2d(0, 1, (3, 3, 1, 1, 1, 1, 1, 1, 1, 1), 1, asked, _signbin.Epilogue())
fallen = builder.finish()
y = np.empty((2, 32, 14, 14), np.float32)
fallen.run([x], [y], 2)
assert "_g8v" not in fallen.step_kernels()[0]
np.testing.assert_array_equal(y, before(x))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="no seccomp of x86-64 Linux"
)
def test_where_executable_memory_is_refused_the_compiled_walks_run_and_say_so():
    done = subprocess.run(
        [sys.executable, "-c", REFUSED], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode == 77:
        pytest.skip("the system does not let a process filter its own system calls")
    assert done.returncode == 0, done.stderr


def pages_of_this_process() -> list[list[str]]:
    with open("/proc/self/maps", encoding="utf-8") as file:
        return [line.split() for line in file]


def test_no_page_of_a_program_is_writable_and_executable(oracle):
    """Read from the process's own map while a program with code is alive; other libraries may have
    made such pages before."""
    others = {page[0] for page in pages_of_this_process() if page[1].startswith("rwx")}
    rng = np.random.default_rng(0)
    conv = oracle.Conv(channels=30, filters=30, padding=(1, 1))
    run = Run(GENERATED[0], conv, oracle.low_bit(rng, conv.weight_shape, "binary"), (8, 1, 30))
    program = run.build(generates=True)
    pages = pages_of_this_process()
    assert program.machine_code_bytes() > 0
    assert not [page for page in pages if page[1].startswith("rwx") and page[0] not in others]
    anonymous = [page for page in pages if page[1].startswith("r-x") and len(page) == 5]
    assert anonymous, "the code lies in anonymous memory"
