import hashlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from signbin.artifact import Artifact, decode, encode, encoded_bytes, stored_bytes
from signbin.artifact.frame import MAGIC, frame, unframe
from signbin.errors import FormatError, SpecError
from signbin.ir import ConstRef, Graph, Node, TensorType, Value, print_graph
from signbin.plan import Plan, Target
from signbin.spec import LowBitWeight, Preprocessing


def same_constant(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype == np.float32 and one.tobytes() == other.tobytes()
    if type(one) is not type(other):
        return False
    one_offset, other_offset = getattr(one, "offset", None), getattr(other, "offset", None)
    offsets = one_offset is None and other_offset is None
    if not offsets:
        offsets = one_offset.tobytes() == other_offset.tobytes()
    return offsets and (
        np.array_equal(one.codes, other.codes) and one.scale.tobytes() == other.scale.tobytes()
    )


def assert_same(one: Artifact, other: Artifact):
    assert print_graph(one.graph) == print_graph(other.graph)
    assert one.graph.constants.keys() == other.graph.constants.keys()
    for name, constant in one.graph.constants.items():
        assert same_constant(constant, other.graph.constants[name]), name
    for member in ("plan", "preprocessing", "class_names", "provenance"):
        assert getattr(one, member) == getattr(other, member)


def test_every_member_survives_exactly(full_artifact):
    assert_same(decode(encode(full_artifact)), full_artifact)


def test_the_size_of_a_file_is_known_without_making_it(full_artifact):
    assert encoded_bytes(full_artifact) == len(encode(full_artifact))


def test_reading_and_writing_again_gives_the_same_bytes(full_artifact):
    data = encode(full_artifact)
    assert encode(decode(data)) == data


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(data=st.data())
def test_weights_of_any_shape_and_value_set_survive_exactly(data, make_weight, linear_graph):
    draw = data.draw
    channels = draw(st.integers(1, 21))
    weights = [
        make_weight(
            draw(st.sampled_from(["f32", "signed_binary", "binary", "ternary"])),
            (draw(st.integers(1, 19)), channels),
            seed=draw(st.integers(0, 2**32)),
            density=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
            offset=draw(st.booleans()),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]
    artifact = Artifact(linear_graph(*weights))
    written = encode(artifact)
    assert_same(decode(written), artifact)
    assert encode(decode(written)) == written


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_networks_of_u8_values_survive_exactly(random_quantized_network, seed):
    artifact = Artifact(random_quantized_network(seed))
    written = encode(artifact)
    assert [node.type for node in decode(written).graph.nodes] == [
        node.type for node in artifact.graph.nodes
    ]
    assert_same(decode(written), artifact)
    assert encode(decode(written)) == written


def test_an_integer_weight_takes_a_byte_an_element_and_a_scale_a_filter(make_weight):
    assert stored_bytes({"w": make_weight("integer", (5, 3, 3, 3))}) == {"w": 5 * 4 + 135 + 1}


@pytest.mark.parametrize("kind", ["f32", "signed_binary", "binary", "ternary"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (5, 3, 3, 3), (3, 2, 5, 5)])
def test_convolution_weights_survive_exactly(kind, shape, make_weight, conv_graph):
    artifact = Artifact(conv_graph(make_weight(kind, shape)))
    assert_same(decode(encode(artifact)), artifact)


@pytest.mark.parametrize("kind", ["signed_binary", "binary"])
def test_a_layer_as_in_resnet_takes_less_than_1_1_bits_per_weight(kind, make_weight, conv_graph):
    weight = make_weight(kind, (64, 64, 3, 3), density=0.35)
    bits = 8 * len(encode(Artifact(conv_graph(weight)))) / weight.codes.size
    plan_free_header = 8 * 1024 / weight.codes.size
    assert 1 < bits < 1.1 + plan_free_header
    large = make_weight(kind, (256, 256, 3, 3), density=0.35)
    assert 8 * len(encode(Artifact(conv_graph(large)))) / large.codes.size < 1.05


def test_a_ternary_layer_takes_a_bit_and_one_more_for_every_non_zero(make_weight, conv_graph):
    weight = make_weight("ternary", (128, 128, 3, 3), density=0.5)
    bits = 8 * len(encode(Artifact(conv_graph(weight)))) / weight.codes.size
    assert bits == pytest.approx(1 + weight.density, abs=0.1)


def test_equal_artifacts_give_equal_bytes_whatever_the_order_they_were_built_in(
    linear_graph, make_weight
):
    graph = linear_graph(make_weight("binary", (3, 4)), make_weight("f32", (2, 4)))
    backwards = Graph(
        graph.name,
        graph.inputs,
        graph.nodes,
        graph.outputs,
        dict(reversed(graph.constants.items())),
    )
    one = Artifact(graph, provenance={"a": "1", "b": "2"})
    other = Artifact(backwards, provenance={"b": "2", "a": "1"})
    assert encode(one) == encode(other)


def test_numbers_that_are_equal_are_written_alike(conv_graph, make_weight):
    graph = conv_graph(make_weight("f32", (2, 1, 3, 3)))
    whole = Artifact(graph, preprocessing=Preprocessing(1, 5, 5, (0,), (1,)))
    real = Artifact(graph, preprocessing=Preprocessing(1, 5, 5, (0.0,), (1.0,)))
    assert encode(whole) == encode(real)


def test_an_offset_of_zeros_is_no_offset(linear_graph, make_weight):
    plain = make_weight("signed_binary", (4, 9))
    zeros = LowBitWeight(plain.codes, plain.scale, np.zeros(4, np.float32))
    assert encode(Artifact(linear_graph(zeros))) == encode(Artifact(linear_graph(plain)))


def test_the_bytes_of_a_tiny_file_are_those_of_the_specification():
    """Three filters of five weights, signed-binary; every byte of the file accounted for."""
    codes = np.array([[1, 0, 1, 0, 0], [0, -1, -1, 0, -1], [0, 0, 0, 0, 0]], np.int8)
    weight = LowBitWeight(codes, np.array([1, 2, -0.5], np.float32))
    node = Node("y", "linear", ("x",), {"weight": ConstRef("w")}, TensorType("f32", (0, 3)))
    inputs = (Value("x", TensorType("f32", (0, 5))),)
    data = encode(Artifact(Graph("g", inputs, (node,), ("y",), {"w": weight})))
    header = (
        b'{"class_names":[],"graph":"graph g\\ninput %x : f32[N,5]\\n'
        b"const @w : signed_binary[3,5] density 0.333\\n"
        b'%y = linear(%x) {weight=@w} : f32[N,3]\\noutput %y\\n",'
        b'"plan":null,"preprocessing":null,"provenance":{},"tensors":[{"encoding":"signed_binary",'
        b'"filter_offset":false,"name":"w","offset":0,"shape":[3,5],"size":16}]}'
    )
    weights = bytes.fromhex(
        "0000803f"  # scale of filter 0: 1
        "00000040"  # scale of filter 1: 2
        "000000bf"  # scale of filter 2: -0.5
        "c5"  # elements 7..0 non-zero: 1 1 0 0 0 1 0 1
        "02"  # elements 14..8: 0 0 0 0 0 1 0, and a padding bit
        "02"  # filters 2..0 negative: 0 1 0, and five padding bits
        "00"  # up to a multiple of 4
    )
    body = header + bytes(-len(header) % 64) + weights
    fixed = (
        bytes.fromhex("8953424e0d0a1a0a")  # magic
        + bytes.fromhex("01000000")  # version
        + len(header).to_bytes(4, "little")
        + (64 + len(body)).to_bytes(8, "little")
        + bytes(8)  # reserved
    )
    assert data == fixed + hashlib.sha256(fixed + body).digest() + body
    assert decode(data).graph.constants["w"].codes.tolist() == codes.tolist()


def test_padding_that_is_cut_short_is_refused_though_length_and_checksum_are_right():
    whole = frame(MAGIC, b"{}", [])
    assert unframe(MAGIC, whole) == (b"{}", b"")
    cut = whole[:-6]
    start = cut[:16] + len(cut).to_bytes(8, "little") + cut[24:32]
    sealed = start + hashlib.sha256(start + cut[64:]).digest() + cut[64:]
    with pytest.raises(FormatError, match="padding after the header"):
        unframe(MAGIC, sealed)


def test_an_artifact_whose_parts_do_not_fit_is_refused(conv_graph, linear_graph, make_weight):
    graph = conv_graph(make_weight("f32", (2, 1, 3, 3)))
    foreign = linear_graph(make_weight("f32", (2, 3)))
    with pytest.raises(SpecError, match="number of class names: got 3"):
        Artifact(graph, class_names=("a", "b", "c"))
    with pytest.raises(SpecError, match="preprocessing for the graph's input"):
        Artifact(graph, preprocessing=Preprocessing(1, 6, 5, (0.0,), (1.0,)))
    layer = _dense_plan(foreign)
    with pytest.raises(SpecError, match="layer of the plan: got 'linear0'"):
        Artifact(graph, plan=layer)


def _dense_plan(graph) -> Plan:
    from signbin.plan import make_plan
    from signbin.spec import Kernel

    kernel = Kernel("dense", "dense", "linear", "portable", True)
    return make_plan(graph, [kernel], Target.portable())


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_written(linear_graph, make_weight, number):
    graph = linear_graph(make_weight("f32", (2, 3)))
    broken = np.array([[1, 2, 3], [4, number, 6]], np.float32)
    poisoned = Graph(
        graph.name, graph.inputs, graph.nodes, graph.outputs, {"linear0.weight": broken}
    )
    with pytest.raises(FormatError, match=r"linear0\.weight"):
        encode(Artifact(poisoned))


@pytest.mark.parametrize(
    "members",
    [
        {"provenance": {"key": "\ud800"}},
        {"provenance": {"key": "x" * 70_000}},
        {"provenance": {str(number): "" for number in range(300)}},
        {"provenance": {"key": 1}},
        {"class_names": ("a", "x" * 2000)},
        {"class_names": ("a", 7)},
    ],
)
def test_what_could_not_be_read_back_is_not_written(linear_graph, make_weight, members):
    with pytest.raises(FormatError):
        encode(Artifact(linear_graph(make_weight("f32", (2, 3))), **members))


def test_decoded_arrays_are_read_only(full_artifact):
    constants = decode(bytearray(encode(full_artifact))).graph.constants
    assert not constants["conv.bias"].flags.writeable
    assert not constants["conv.weight"].codes.flags.writeable
