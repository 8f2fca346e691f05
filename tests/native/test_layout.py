"""Views, relayouts and halos against numpy; any layout gives the same numbers."""

import itertools

import numpy as np
import pytest

from signbin import native
from signbin.native import _signbin

ISAS = list(dict.fromkeys(row.isa for row in native.kernels() if row.usable))
PLAIN = _signbin.Epilogue()
SIZES = [(1, 1), (5, 3), (7, 7), (13, 17), (2, 29)]
HALOS = [(0, 0, 0, 0), (1, 1, 1, 1), (3, 0, 2, 5), (9, 9, 9, 9)]


def layout_of(isa, size, blocks_x=1, halo=(0, 0, 0, 0), pitch=3):
    lanes = _signbin.isa_lanes(isa)
    blocks_x = min(blocks_x, lanes)
    blocks_y = lanes // blocks_x
    height, width = -(-size[0] // blocks_y), -(-size[1] // blocks_x)
    return (lanes, blocks_y, blocks_x, height, width, *halo, pitch)


class Chain:
    """input -> lane-blocked values in the arena, one after the other -> output."""

    def __init__(self, isa, shape, threads=1):
        self.builder = _signbin.Builder(isa, 1 << 22, 0, threads)
        self.shape = shape
        self.last = self.builder.add_value(shape, _signbin.Place.INPUT)
        self.offset = 0

    def value(self, shape, layout, fill=0.0):
        number = self.builder.add_value(shape, _signbin.Place.ARENA, self.offset, layout, fill)
        self.offset += 1 << 19
        return number

    def copy_into(self, layout, fill=0.0):
        target = self.value(self.shape, layout, fill)
        self.builder.add_direct("flatten", self.last, target)
        self.last = target

    def double_into(self, layout, fill=0.0):
        """x + x, by a kernel that leaves the halo to the exchange."""
        target = self.value(self.shape, layout, fill)
        epilogue = _signbin.Epilogue(residual=self.last)
        self.builder.add_direct("elementwise", self.last, target, epilogue=epilogue)
        self.last = target

    def run(self, x, add_last, shape):
        output = self.builder.add_value(shape, _signbin.Place.OUTPUT)
        add_last(self.builder, self.last, output)
        y = np.full((len(x), *shape), np.nan, np.float32)
        self.builder.finish().run([x], [y], len(x))
        return y


def copy_out(builder, source, target):
    builder.add_direct("flatten", source, target)


def numbers(size, seed=0, batch=2):
    return np.random.default_rng(seed).standard_normal((batch, 3, *size)).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_relayouts_move_every_pixel_and_change_none(isa, size):
    x = numbers(size)
    for halo, (first, second) in itertools.product(HALOS, [(1, 2), (8, 1), (2, 4)]):
        chain = Chain(isa, (3, *size))
        chain.copy_into(layout_of(isa, size, first, halo, 5))
        chain.copy_into(layout_of(isa, size, second, halo[::-1]))
        np.testing.assert_array_equal(chain.run(x, copy_out, (3, *size)), x)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("isa", ISAS)
def test_an_exchanged_halo_holds_the_neighbours_and_zeros_outside(isa, size, threads):
    """A window of ones over a halo of exactly its reach sums what numpy sums."""
    x = np.round(numbers(size) * 8)
    padded = np.pad(2 * x, ((0, 0), (0, 0), (2, 2), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (5, 3), axis=(2, 3))
    window = (5, 3, 1, 1, 2, 1, 2, 1, 1, 1)
    ones = _signbin.Weight(
        strategy=_signbin.Strategy.DENSE, values=np.ones(3 * 15, np.float32), tile=(1, 1, 1)
    )

    def convolve(builder, source, target):
        builder.add_conv2d(source, target, window, 3, ones, PLAIN)

    for blocks_x, halo in itertools.product((1, 2, 8), ((2, 2, 1, 1), (4, 3, 2, 1), (0, 0, 0, 0))):
        chain = Chain(isa, (3, *size), threads)
        chain.double_into(layout_of(isa, size, blocks_x, halo, 4))
        actual = chain.run(x, convolve, (3, *size))
        np.testing.assert_array_equal(actual, view.sum(axis=(4, 5)))


@pytest.mark.parametrize("fill", [0.0, -np.inf])
@pytest.mark.parametrize("size", [(7, 7), (13, 17)])
@pytest.mark.parametrize("isa", ISAS)
def test_a_maximum_ignores_padding_whatever_the_halo_holds(isa, size, fill):
    x = -np.abs(numbers(size)) - 1
    padded = np.pad(2 * x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))

    def pool(builder, source, target):
        builder.add_direct("max_pool2d", source, target, (3, 3, 1, 1, 1, 1, 1, 1, 1, 1))

    chain = Chain(isa, (3, *size))
    chain.double_into(layout_of(isa, size, 2, (1, 1, 1, 1)), fill)
    np.testing.assert_array_equal(chain.run(x, pool, (3, *size)), view.max(axis=(4, 5)))


GOOD = layout_of("portable", (6, 6), 2)


@pytest.mark.parametrize(
    "change",
    [
        {0: 3},
        {0: 8},
        {0: -4},
        {1: 0},
        {1: 4},
        {2: 2**31 - 1},
        {3: 2},
        {3: -3},
        {4: 2},
        {5: -1},
        {6: 2**31 - 1},
        {8: 2**30},
        {9: 2},
        {9: 2**31 - 1},
        {3: 2**29, 4: 2**29, 9: 2**29},
    ],
)
def test_layouts_that_do_not_hold_their_image_are_refused(change):
    layout = [change.get(index, entry) for index, entry in enumerate(GOOD)]
    builder = _signbin.Builder("portable", 1 << 16)
    with pytest.raises(_signbin.StatusError, match=r"SB_INVALID_ARGUMENT|SB_OVERFLOW"):
        builder.add_value((3, 6, 6), _signbin.Place.ARENA, 0, layout)
    assert builder.add_value((3, 6, 6), _signbin.Place.ARENA, 0, GOOD) == 0


@pytest.mark.parametrize(
    ("place", "offset", "fill"),
    [
        ("INPUT", 0, 0.0),
        ("OUTPUT", 0, 0.0),
        ("BATCH", 0, 0.0),
        ("ARENA", 4, 0.0),
        ("ARENA", 65536, 0.0),
        ("ARENA", 0, 1.0),
        ("ARENA", 0, np.nan),
        ("ARENA", 0, np.inf),
    ],
)
def test_lane_blocked_values_live_aligned_in_the_arena(place, offset, fill):
    builder = _signbin.Builder("portable", 1 << 16, 1 << 16)
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        builder.add_value((3, 6, 6), getattr(_signbin.Place, place), offset, GOOD, fill)


@pytest.mark.parametrize("threads", [0, -1, 65, 2**31 - 1])
def test_only_a_sane_number_of_threads_is_made(threads):
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        _signbin.Builder("scalar", 0, 0, threads)


def test_linear_layers_refuse_values_of_one_image_at_a_time():
    builder = _signbin.Builder("scalar", 64, 64)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.DENSE, values=np.ones(4, np.float32), tile=(1, 1, 1)
    )
    builder.add_value((2, 1, 1), _signbin.Place.INPUT)
    builder.add_value((2, 1, 1), _signbin.Place.ARENA)
    builder.add_value((2, 1, 1), _signbin.Place.BATCH)
    with pytest.raises(_signbin.StatusError, match="one image at a time"):
        builder.add_linear(0, 1, weight, PLAIN)
    builder.add_linear(0, 2, weight, PLAIN)
    with pytest.raises(_signbin.StatusError, match="one image at a time"):
        builder.add_direct("flatten", 2, 1)


def test_steps_after_a_linear_layer_see_every_image():
    builder = _signbin.Builder("auto", 0, 64)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.DENSE,
        values=np.eye(3, dtype=np.float32).reshape(-1),
        tile=(1, 1, 1),
    )
    builder.add_value((3, 1, 1), _signbin.Place.INPUT)
    builder.add_value((3, 1, 1), _signbin.Place.BATCH)
    builder.add_value((3, 1, 1), _signbin.Place.OUTPUT)
    builder.add_linear(0, 1, weight, PLAIN)
    builder.add_direct("elementwise", 1, 2, epilogue=_signbin.Epilogue(residual=0))
    x = numbers((1, 1), batch=5)
    y = np.zeros_like(x)
    builder.finish().run([x], [y], 5)
    np.testing.assert_array_equal(y, 2 * x)


def test_step_times_need_one_number_per_step():
    builder = _signbin.Builder("scalar", 0)
    builder.add_value((1, 1, 1), _signbin.Place.INPUT)
    builder.add_value((1, 1, 1), _signbin.Place.OUTPUT)
    builder.add_direct("flatten", 0, 1)
    program = builder.finish()
    x, y = np.ones(1, np.float32), np.zeros(1, np.float32)
    with pytest.raises(_signbin.StatusError, match="one number per step"):
        program.run([x], [y], 1, [], np.zeros(2))
    times = np.full(1, -1.0)
    program.run([x], [y], 1, [], times)
    assert times[0] >= 0
