"""What the builder refuses about codes: every complaint names the value and what is allowed."""

import numpy as np
import pytest

from signbin.native import _signbin

ARENA, INPUT, OUTPUT = _signbin.Place.ARENA, _signbin.Place.INPUT, _signbin.Place.OUTPUT
INT_MAX = 2**31 - 1
PLAIN = _signbin.Epilogue()
POINT = (1, 1, 1, 1, 0, 0, 0, 0, 1, 1)


def ones(count):
    return np.ones(count, np.float32)


def builder_of(*values):
    """Values (shape, codes or None) 64 KiB apart in an arena, the first written by a conversion."""
    builder = _signbin.Builder("portable", 1 << 20)
    plain = builder.add_value(values[0][0], INPUT)
    for index, (shape, codes) in enumerate(values):
        builder.add_value(shape, ARENA, index << 16, codes=codes)
    if values[0][1] is None:
        builder.add_direct("flatten", plain, 1)
    else:
        builder.add_direct("quantize", plain, 1, real=(1.0,))
    return builder


@pytest.mark.parametrize(
    "codes",
    [(-1, 255), (0, 0), (0, 256), (256, 255), (5, 4), (0, -1), (INT_MAX, INT_MAX), (-INT_MAX, 1)],
)
def test_codes_need_a_zero_and_a_top_of_8_bits(codes):
    builder = _signbin.Builder("scalar", 4096)
    with pytest.raises(_signbin.StatusError, match=r"0 <= zero <= top, top 1\.\.255"):
        builder.add_value((1, 1, 1), ARENA, codes=codes)


@pytest.mark.parametrize("place", ["INPUT", "OUTPUT"])
def test_a_program_takes_and_gives_float32(place):
    builder = _signbin.Builder("scalar", 0)
    with pytest.raises(_signbin.StatusError, match=r"hold u8; allowed: f32"):
        builder.add_value((1, 1, 1), getattr(_signbin.Place, place), codes=(0, 255))


@pytest.mark.parametrize("fill", [0.5, -1.0, 128.0, np.nan, np.inf, -np.inf])
def test_positions_outside_the_image_hold_a_code(fill):
    lanes = _signbin.isa_lanes("portable", "u8")
    layout = (lanes, lanes, 1, 1, 8, 0, 0, 0, 0, 3)
    builder = _signbin.Builder("portable", 1 << 16)
    with pytest.raises(_signbin.StatusError, match="of codes a code"):
        builder.add_value((3, 8, 8), ARENA, 0, layout, fill, (0, 127))
    builder.add_value((3, 8, 8), ARENA, 0, layout, 127, (0, 127))


@pytest.mark.parametrize("codes", [None, (0, 255)])
def test_values_have_the_lanes_of_their_type(codes):
    other = _signbin.isa_lanes("portable", "f32" if codes else "u8")
    builder = _signbin.Builder("portable", 1 << 16)
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT: value 0: a layout"):
        builder.add_value((3, 8, 8), ARENA, 0, (other, other, 1, 1, 8, 0, 0, 0, 0, 3), 0, codes)


def test_codes_are_aligned_to_what_they_are_kept_in():
    size = _signbin.type_bytes("u8")
    builder = _signbin.Builder("scalar", 64)
    builder.add_value((4, 1, 1), ARENA, size, codes=(0, 255))
    builder.add_value((64 // size, 1, 1), ARENA, 0, codes=(0, 255))
    for elements, offset in ((4, 65 - size), (64 // size + 1, 0)):
        with pytest.raises(_signbin.StatusError, match=f"multiples of {size} within the arena"):
            builder.add_value((elements, 1, 1), ARENA, offset, codes=(0, 255))


def test_an_element_has_the_bytes_of_its_type():
    assert _signbin.type_bytes("f32") == 4
    assert _signbin.type_bytes("u8") in (1, 2)
    with pytest.raises(_signbin.StatusError, match="allowed: f32, u8"):
        _signbin.type_bytes("u16")


@pytest.mark.parametrize("isa", ["avx512", "", "Scalar"])
def test_lanes_are_those_of_a_known_instruction_set_and_type(isa):
    with pytest.raises(_signbin.StatusError, match="allowed"):
        _signbin.isa_lanes(isa if isa != "avx512" else "scalar", "u16" if isa == "avx512" else "u8")


U8 = (0, 255)
INTEGERS = np.ones(16, np.int8)


@pytest.mark.parametrize(
    ("given", "made", "change", "complaint"),
    [
        (None, U8, {}, "from f32 to codes"),
        (None, None, {}, "integers for strategy dense on f32; allowed: values"),
        (U8, U8, {"integers": None, "values": ones(16)}, "values for .* on u8; allowed: integers"),
        (U8, U8, {"codes": INTEGERS}, "exactly one of values, codes and integers"),
        (U8, U8, {"integers": None}, "exactly one of values, codes and integers"),
        (U8, U8, {"integers": INTEGERS[:15]}, "integer weights: 15; allowed: 16"),
        (U8, U8, {"integers": 64 * INTEGERS}, r"integer weight 0: 64; allowed: -63\.\.63"),
        (U8, U8, {"integers": np.full(16, -128, np.int8)}, "integer weight 0: -128"),
        (U8, U8, {"scale": None}, "come with scales"),
        (U8, U8, {"scale": ones(3)}, "weight scale: 3 numbers; allowed: 4"),
        (U8, U8, {"offset": np.full(4, np.nan, np.float32)}, "not finite"),
    ],
)
def test_weights_fit_what_they_multiply(given, made, change, complaint):
    dense = _signbin.Strategy.DENSE
    fine = {"strategy": dense, "integers": INTEGERS, "scale": ones(4), "tile": (1, 1, 1)}
    builder = builder_of(((4, 2, 2), given), ((4, 2, 2), made))
    with pytest.raises(_signbin.StatusError, match=complaint):
        builder.add_conv2d(1, 2, POINT, 1, _signbin.Weight(**{**fine, **change}), PLAIN)


@pytest.mark.parametrize("kind", ["codes", "integers"])
def test_sums_that_leave_int32_are_refused(kind):
    channels = INT_MAX // 255 // (63 if kind == "integers" else 1) + 1
    weights = np.full(channels, 63 if kind == "integers" else 1, np.int8)
    strategy = _signbin.Strategy.BUCKET if kind == "codes" else _signbin.Strategy.DENSE
    how = {"strategy": strategy, "scale": ones(1), "tile": (1, 1, 64)}
    for missing in (0, 1):
        shape = (channels - missing, 1, 1)
        builder = _signbin.Builder("scalar", 0, 1 << 30)
        builder.add_value(shape, INPUT)
        builder.add_value(shape, _signbin.Place.BATCH, 0, codes=U8)
        builder.add_value((1, 1, 1), OUTPUT)
        builder.add_direct("quantize", 0, 1, real=(1.0,))
        weight = _signbin.Weight(**{kind: weights[: channels - missing]}, **how)
        if missing:
            builder.add_linear(1, 2, weight, PLAIN)
        else:
            with pytest.raises(_signbin.StatusError, match=r"do not fit int32; use float32"):
                builder.add_linear(1, 2, weight, PLAIN)


def test_a_residual_has_the_type_of_the_input():
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), None), ((4, 2, 2), U8))
    builder.add_direct("dequantize", 1, 2, real=(1.0,))
    with pytest.raises(_signbin.StatusError, match="input holds u8, residual f32"):
        builder.add_direct("elementwise", 1, 3, epilogue=_signbin.Epilogue(residual=2))


@pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf])
def test_factors_of_residuals_and_averages_are_finite(scale):
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), U8))
    epilogue = _signbin.Epilogue(residual=1, residual_scale=scale)
    with pytest.raises(_signbin.StatusError, match="residual scale"):
        builder.add_direct("elementwise", 1, 2, epilogue=epilogue)
    with pytest.raises(_signbin.StatusError, match="scale: number 0 is not finite"):
        builder.add_direct("avg_pool2d", 1, 2, POINT, np.full(4, scale, np.float32), whole=(1,))


@pytest.mark.parametrize("made", [(1, 255), (0, 127), None])
def test_steps_that_move_codes_keep_what_they_mean(made):
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), made))
    with pytest.raises(_signbin.StatusError, match="from u8 with zero 0 and top 255"):
        builder.add_direct("flatten", 1, 2)
    with pytest.raises(_signbin.StatusError, match="from u8 with zero 0 and top 255"):
        builder.add_direct("max_pool2d", 1, 2, POINT)
    with pytest.raises(_signbin.StatusError, match="from u8 with zero 0 and top 255"):
        builder.add_direct("subsample_pad", 1, 2, POINT, whole=(0, 0))


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_conversions_have_a_positive_factor(factor):
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), None))
    with pytest.raises(_signbin.StatusError, match="finite, above 0"):
        builder.add_direct("dequantize", 1, 2, real=(factor,))


@pytest.mark.parametrize(
    ("op", "shape", "made", "complaint"),
    [
        ("dequantize", (4, 2, 2), U8, "from u8 to u8; allowed: from u8 to f32"),
        ("quantize", (4, 2, 2), None, "from u8 to f32; allowed: from f32 to u8"),
        ("dequantize", (4, 4, 1), None, "from 4 x 2 x 2 to 4 x 4 x 1; allowed: the same shape"),
    ],
)
def test_conversions_change_the_type_and_nothing_else(op, shape, made, complaint):
    builder = builder_of(((4, 2, 2), U8), (shape, made))
    with pytest.raises(_signbin.StatusError, match=f"step 1: {op} {complaint}"):
        builder.add_direct(op, 1, 2, real=(1.0,))


def test_an_average_whose_sum_leaves_int32_is_refused():
    side = 2902  # 2902^2 * 255 > 2^31
    builder = _signbin.Builder("portable", 1 << 30)
    builder.add_value((1, side, side), INPUT)
    builder.add_value((1, side, side), ARENA, 0, codes=U8)
    builder.add_value((1, 1, 1), OUTPUT)
    builder.add_direct("quantize", 0, 1, real=(1.0,))
    with pytest.raises(_signbin.StatusError, match="does not fit int32"):
        builder.add_direct("avg_pool2d", 1, 2, (side, side, 1, 1, 0, 0, 0, 0, 1, 1), whole=(1,))


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        ({"whole": (0, 3)}, "0 values|groups that divide the channels"),
        ({"whole": (2, 1)}, "6 channels of a value; allowed: 4"),
        ({"whole": (0, 1), "more": (1,)}, "8 channels; allowed: 4"),
        ({"whole": (0, 2), "more": (1,)}, "of several values all channels and one group"),
        ({"whole": (0, 1), "more": (9,)}, "part value 9; allowed"),
        ({"whole": (0, 1), "more": (2,)}, "part value 2; allowed"),
        ({"whole": (0, 1), "real": (1.0, 1.0)}, "2 factors; allowed: 1"),
        ({"whole": (0, 1), "real": (0.0,)}, "factor 0; allowed: finite, above 0"),
        ({"whole": (0, 1), "real": (np.nan,)}, "allowed: finite, above 0"),
        ({"whole": (0, 1), "more": (1,) * 256}, "257 values; allowed: 256"),
    ],
)
def test_channels_that_do_not_fit_are_refused(takes, message):
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), U8))
    with pytest.raises(_signbin.StatusError, match=message):
        builder.add_direct("channels", 1, 2, **takes)


def test_codes_that_mean_something_else_need_factors():
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), (1, 255)))
    with pytest.raises(_signbin.StatusError, match="without factors codes of the same zero"):
        builder.add_direct("channels", 1, 2, whole=(0, 1))


def test_other_operations_take_one_input():
    builder = builder_of(((4, 2, 2), U8), ((4, 2, 2), U8))
    with pytest.raises(_signbin.StatusError, match="flatten takes one input"):
        builder.add_direct("flatten", 1, 2, more=(1,))
