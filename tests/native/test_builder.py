"""Hostile calls of the builder: every one is a status with a message, and none a crash."""

import numpy as np
import pytest

from signbin import native
from signbin.ir.functions import FUNCTIONS
from signbin.native import _signbin

INT_MAX = 2**31 - 1
PLAIN = _signbin.Epilogue()
POINT = (1, 1, 1, 1, 0, 0, 0, 0, 1, 1)


def ones(count):
    return np.ones(count, np.float32)


def named(arguments, key, kind):
    """Arguments, where one may be a member of an enumeration by its name: parameters hold none."""
    given = arguments.get(key)
    return {**arguments, key: getattr(kind, given)} if isinstance(given, str) else arguments


def builder_with(shapes, arena=1 << 16):
    """A builder, its first value the input, its last the output, others 4 KiB apart."""
    builder = _signbin.Builder("portable", arena)
    places = [_signbin.Place.INPUT, *[_signbin.Place.ARENA] * (len(shapes) - 2)]
    for index, (shape, place) in enumerate(
        zip(shapes, [*places, _signbin.Place.OUTPUT], strict=True)
    ):
        assert builder.add_value(shape, place, 4096 * index) == index
    return builder


@pytest.mark.parametrize(
    ("shape", "offset"),
    [
        ((0, 1, 1), 0),
        ((-1, 1, 1), 0),
        ((INT_MAX, INT_MAX, INT_MAX), 0),
        ((1 << 20, 1 << 20, 1), 0),
        ((4, 4, 4), 2),
        ((4, 4, 4), 4096),
        ((4, 4, 4), 2**64 - 256),
        ((4, 4, 4), 3844),
    ],
)
def test_a_value_outside_the_arena_or_the_limits_is_refused(shape, offset):
    builder = _signbin.Builder("scalar", 4096)
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT: value 0"):
        builder.add_value(shape, _signbin.Place.ARENA, offset)


def test_more_inputs_or_outputs_than_ports_are_refused():
    builder = builder_with([(1, 1, 1), (1, 1, 1)])
    for place in (_signbin.Place.INPUT, _signbin.Place.OUTPUT):
        for _ in range(_signbin.MAX_PORTS - 1):
            builder.add_value((1, 1, 1), place)
        with pytest.raises(_signbin.StatusError, match=r"one more (in|out)put; allowed: 256"):
            builder.add_value((1, 1, 1), place)


def two_by_two():
    """Two inputs, whose sum and difference are the outputs."""
    builder = _signbin.Builder("portable", 0)
    given = [builder.add_value((2, 3, 3), _signbin.Place.INPUT) for _ in range(2)]
    made = [builder.add_value((2, 3, 3), _signbin.Place.OUTPUT) for _ in range(2)]
    for target, factor in zip(made, (1.0, -1.0), strict=True):
        scale = np.full(2, factor, np.float32)
        epilogue = _signbin.Epilogue(residual=given[0])
        builder.add_direct("elementwise", given[1], target, scale=scale, epilogue=epilogue)
    return builder.finish()


def test_every_input_and_output_has_its_own_array():
    x, y = np.arange(36, dtype=np.float32), ones(36)
    total, difference = np.zeros_like(x), np.zeros_like(x)
    two_by_two().run([x, y], [total, difference], 2)
    np.testing.assert_array_equal(total, x + y)
    np.testing.assert_array_equal(difference, x - y)


def test_an_input_or_output_that_is_missing_is_refused():
    x, y = ones(18), ones(18)
    for inputs, outputs in (([x], [x, y]), ([x, y], [x]), ([], []), ([x, y, x], [x, y])):
        with pytest.raises(_signbin.StatusError, match="one array for every input and output"):
            two_by_two().run(inputs, outputs, 1)


def test_an_output_that_no_step_writes_is_named():
    builder = builder_with([(1, 1, 1), (1, 1, 1)])
    builder.add_direct("flatten", 0, 1)
    builder.add_value((1, 1, 1), _signbin.Place.OUTPUT)
    with pytest.raises(_signbin.StatusError, match="no step writes output 1, value 2"):
        builder.finish()


@pytest.mark.parametrize(
    ("source", "target"), [(2, 1), (9, 1), (0, 0), (0, 9), (1, 2), (0, 2**32 - 1)]
)
def test_steps_read_what_is_written_and_write_what_is_not(source, target):
    builder = builder_with([(1, 1, 1), (1, 1, 1), (1, 1, 1)])
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT: step 0"):
        builder.add_direct("flatten", source, target)


def test_a_step_may_not_write_over_what_it_reads():
    builder = _signbin.Builder("scalar", 64)
    builder.add_value((4, 1, 1), _signbin.Place.INPUT)
    builder.add_value((4, 1, 1), _signbin.Place.ARENA, 0)
    builder.add_value((4, 1, 1), _signbin.Place.ARENA, 12)
    builder.add_direct("flatten", 0, 1)
    with pytest.raises(_signbin.StatusError, match="share memory"):
        builder.add_direct("flatten", 1, 2)


@pytest.mark.parametrize(
    "window",
    [
        (0, 1, 1, 1, 0, 0, 0, 0, 1, 1),
        (1, 1, 0, 1, 0, 0, 0, 0, 1, 1),
        (1, 1, 1, 1, -1, 0, -1, 0, 1, 1),
        (1, 1, 1, 1, 1, 0, -1, 0, 1, 1),
        (1, 1, 1, 1, 0, 0, 0, 1, 1, 1),
        (1, 1, 1, 1, 0, 0, 0, 0, 0, 1),
        (INT_MAX, 1, 1, 1, 0, 0, 0, 0, 1, 1),
        (3, 3, 1, 1, 0, 0, 0, 0, 1, 1),
        (1, 1, 1, 1, INT_MAX, INT_MAX, INT_MAX, INT_MAX, 1, 1),
        (1, 1, 1, 1, 0, 0, INT_MAX, INT_MAX, 1, 1),
        (2, 2, 1, 1, 0, 0, 0, 0, INT_MAX, INT_MAX),
        (65536,) * 10,
    ],
)
def test_windows_that_do_not_map_the_shapes_are_refused(window):
    builder = builder_with([(1, 4, 4), (1, 4, 4)])
    weight = _signbin.Weight(strategy=_signbin.Strategy.DENSE, values=ones(1), tile=(1, 1, 1))
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        builder.add_conv2d(0, 1, window, 1, weight, PLAIN)
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        builder.add_direct("max_pool2d", 0, 1, window)


@pytest.mark.parametrize("groups", [0, -1, 3, INT_MAX])
def test_groups_must_divide_the_channels(groups):
    builder = builder_with([(4, 2, 2), (4, 2, 2)])
    weight = _signbin.Weight(strategy=_signbin.Strategy.DENSE, values=ones(16), tile=(1, 1, 1))
    with pytest.raises(_signbin.StatusError, match="groups"):
        builder.add_conv2d(0, 1, POINT, groups, weight, PLAIN)


CODES = np.ones(16, np.int8)
BUCKET, DENSE = _signbin.Strategy.BUCKET, _signbin.Strategy.DENSE
FINE = {"strategy": BUCKET, "codes": CODES, "scale": ones(4), "tile": (4, 1, 4)}
VALUES = {"strategy": "DENSE", "codes": None}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"codes": CODES[:15]}, "weight codes: 15; allowed: 16"),
        ({"codes": np.full(16, 2, np.int8)}, "weight code 0: 2"),
        ({"codes": None}, "exactly one"),
        ({"values": ones(16)}, "exactly one"),
        ({"codes": None, "values": ones(16)}, "values for strategy bucket on f32; allowed: codes"),
        ({"strategy": "DENSE"}, "codes for strategy dense on f32; allowed: values"),
        ({"strategy": "DIRECT"}, "strategy direct .* takes no weights"),
        ({"strategy": "SUMS"}, "a list of sums: there is none"),
        ({**VALUES, "values": ones(17)}, "weight values: 17 numbers; allowed: 16"),
        ({**VALUES, "values": np.full(16, np.nan, np.float32)}, "not finite"),
        ({"scale": None}, "scales"),
        ({"scale": ones(3)}, "weight scale: 3 numbers; allowed: 4"),
        ({"scale": np.full(4, np.inf, np.float32)}, "not finite"),
        ({"offset": ones(5)}, "weight offset: 5 numbers; allowed: 4"),
        ({"tile": (0, 1, 1)}, "tile"),
        ({"tile": (9, 1, 1)}, "tile"),
        ({"tile": (1, 9, 1)}, "tile"),
        ({"tile": (1, 1, 0)}, "tile"),
        ({"tile": (INT_MAX, INT_MAX, -INT_MAX)}, "tile"),
        ({"codes": np.array([-1, 0, 1, 1] * 4, np.int8), "tile": (6, 1, 4)}, "ternary"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, complaint):
    builder = builder_with([(4, 2, 2), (4, 2, 2)])
    given = named({**FINE, **change}, "strategy", _signbin.Strategy)
    with pytest.raises(_signbin.StatusError, match=complaint):
        builder.add_conv2d(0, 1, POINT, 1, _signbin.Weight(**given), PLAIN)
    builder.add_conv2d(0, 1, POINT, 1, _signbin.Weight(**FINE), PLAIN)  # it survived
    assert builder.finish().step_kernels() == ["sb_f32_bucket_conv2d_f8v1__portable"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"bias": ones(3)},
        {"bias": np.full(4, np.nan, np.float32)},
        {"prelu": ones(5), "activation": "LEAKY_RELU"},
        {"post_bias": ones(1)},
        {"slope": np.nan, "activation": "LEAKY_RELU"},
        {"low": 1, "high": 0, "activation": "CLAMP"},
        {"low": np.nan, "high": 0, "activation": "CLAMP"},
        {"residual": 1},
        {"residual": 7},
    ],
)
def test_epilogues_that_do_not_fit_are_refused(arguments):
    builder = builder_with([(4, 2, 2), (4, 2, 2)])
    weight = _signbin.Weight(**FINE)
    given = named(arguments, "activation", _signbin.Activation)
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        builder.add_conv2d(0, 1, POINT, 1, weight, _signbin.Epilogue(**given))


def test_a_residual_of_another_shape_is_refused():
    builder = builder_with([(4, 2, 2), (4, 1, 4)])
    with pytest.raises(_signbin.StatusError, match="another shape"):
        builder.add_direct("elementwise", 0, 1, epilogue=_signbin.Epilogue(residual=0))


def test_pooling_refuses_padding_as_wide_as_the_kernel_and_dilated_averages():
    builder = builder_with([(1, 4, 4), (1, 7, 7)])
    with pytest.raises(_signbin.StatusError, match="padding"):
        builder.add_direct("max_pool2d", 0, 1, (2, 2, 1, 1, 2, 2, 2, 2, 1, 1))
    builder = builder_with([(1, 4, 4), (1, 5, 3)])
    with pytest.raises(_signbin.StatusError, match="0 x 0 before and 2 x 0 after"):
        builder.add_direct("max_pool2d", 0, 1, (2, 2, 1, 1, 0, 0, 2, 0, 1, 1))
    builder = builder_with([(1, 4, 4), (1, 2, 2)])
    with pytest.raises(_signbin.StatusError, match="dilation"):
        builder.add_direct("avg_pool2d", 0, 1, (2, 2, 1, 1, 0, 0, 0, 0, 2, 2), whole=(1,))


@pytest.mark.parametrize(
    ("channels", "complaint"),
    [
        ((-1, 3), "channels_before -1; allowed: 0.."),
        ((0, INT_MAX), "channels_after 2147483647; allowed: 0.."),
        ((3, 0), "2 channels between 3 and 0 others does not make 4"),
    ],
)
def test_subsampling_keeps_its_channels_inside_the_output(channels, complaint):
    builder = builder_with([(2, 4, 4), (4, 2, 2)])
    with pytest.raises(_signbin.StatusError, match=complaint):
        builder.add_direct("subsample_pad", 0, 1, (1, 1, 2, 2, 0, 0, 0, 0, 1, 1), whole=channels)


@pytest.mark.parametrize(
    ("op", "takes", "complaint"),
    [
        ("sharpen", {}, "operation sharpen; allowed: .*elementwise, .*max_pool2d, avg_pool2d"),
        ("", {}, "operation ; allowed: .*elementwise"),
        ("avg_pool2d", {}, "avg_pool2d with 0 whole numbers; allowed: 1"),
        ("avg_pool2d", {"whole": (1, 1)}, "avg_pool2d with 2 whole numbers; allowed: 1"),
        ("avg_pool2d", {"whole": (2,)}, r"avg_pool2d with count_include_pad 2; allowed: 0\.\.1"),
        ("max_pool2d", {"real": (1.0,)}, "max_pool2d with 1 real numbers; allowed: 0"),
        ("max_pool2d", {"scale": ones(4)}, "max_pool2d takes no scale"),
        ("elementwise", {"scale": ones(3)}, "scale: 3 numbers; allowed: 4"),
    ],
)
def test_an_operation_takes_what_its_row_says(op, takes, complaint):
    builder = builder_with([(4, 2, 2), (4, 2, 2)])
    with pytest.raises(_signbin.StatusError, match=f"SB_INVALID_ARGUMENT.*{complaint}"):
        builder.add_direct(op, 0, 1, **takes)


def test_an_operation_without_an_epilogue_takes_none():
    builder = builder_with([(4, 2, 2), (4, 2, 2)])
    with pytest.raises(_signbin.StatusError, match="step 0: flatten takes no epilogue"):
        builder.add_direct("flatten", 0, 1, epilogue=PLAIN)


def test_what_has_direct_kernels_is_an_operation():
    """The kernels unary serve every function, each an operation of its own name."""
    ops = {kernel.op for kernel in native.kernels() if kernel.strategy == "direct"}
    assert ops - {"unary"} | set(FUNCTIONS) < set(_signbin.direct_ops())


@pytest.mark.parametrize(
    ("op", "allowed"),
    [
        ("elementwise", "the same shape"),
        ("flatten", "as many elements"),
        ("max_pool2d", "as many channels"),
    ],
)
def test_an_operation_refuses_shapes_that_do_not_fit(op, allowed):
    builder = builder_with([(4, 2, 2), (3, 2, 2)])
    complaint = f"{op} from 4 x 2 x 2 to 3 x 2 x 2; allowed: {allowed}"
    with pytest.raises(_signbin.StatusError, match=complaint):
        builder.add_direct(op, 0, 1)


def test_a_window_too_wide_for_offsets_names_the_remedy():
    width = 70000
    builder = builder_with([(1, 3, 4 * width), (1, 1, 4 * width)])
    window = (3, 1, 1, 1, 0, 0, 0, 0, 1, 1)
    weight = _signbin.Weight(
        strategy=_signbin.Strategy.BUCKET, codes=np.ones(3, np.int8), scale=ones(1), tile=(1, 1, 1)
    )
    with pytest.raises(_signbin.StatusError, match=r"SB_UNSUPPORTED.*dense strategy"):
        builder.add_conv2d(0, 1, window, 1, weight, PLAIN)


def test_a_program_without_an_output_is_not_finished():
    builder = builder_with([(1, 1, 1), (1, 1, 1)])
    with pytest.raises(_signbin.StatusError, match="no step writes output 0"):
        builder.finish()
    with pytest.raises(_signbin.StatusError, match="needs an input value and an output value"):
        _signbin.Builder("scalar", 0).finish()


def test_a_finished_builder_is_empty():
    builder = builder_with([(1, 1, 1), (1, 1, 1)])
    builder.add_direct("flatten", 0, 1)
    builder.finish()
    with pytest.raises(_signbin.StatusError):
        builder.finish()


def small_program():
    builder = builder_with([(2, 3, 3), (2, 3, 3), (2, 3, 3)])
    builder.add_direct("flatten", 0, 1)
    builder.add_direct("flatten", 1, 2)
    return builder.finish()


@pytest.mark.parametrize(
    ("given", "wanted", "batch"), [(18, 18, 0), (18, 18, 2), (17, 18, 1), (18, 19, 1), (0, 0, 0)]
)
def test_buffers_of_another_size_are_refused_and_left_alone(given, wanted, batch):
    output = np.full(wanted, 7, np.float32)
    with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
        small_program().run([ones(given)], [output], batch)
    assert np.all(output == 7)


def test_copies_must_fit_their_values():
    x, output = ones(18), np.zeros(18, np.float32)
    for copies in ([None, ones(17)], [None] * 4):
        with pytest.raises(_signbin.StatusError, match="SB_INVALID_ARGUMENT"):
            small_program().run([x], [output], 1, copies)


@pytest.mark.parametrize("batch", [2**61, 2**63, 2**64 - 1])
def test_a_batch_whose_size_wraps_is_an_overflow(batch):
    with pytest.raises(_signbin.StatusError, match="SB_OVERFLOW"):
        small_program().arena_bytes(batch)
