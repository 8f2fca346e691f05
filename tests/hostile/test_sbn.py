"""Whatever the bytes, decode raises FormatError: never anything else, never much memory."""

import itertools
import json
import tracemalloc

import hypothesis
import pytest
from hypothesis import strategies as st

from signbin.artifact import decode, encode
from signbin.errors import FormatError

HUGE = 2**62


def refused(data, match=None):
    with pytest.raises(FormatError, match=match) as caught:
        decode(data)
    assert type(caught.value) is FormatError


def test_the_file_all_attacks_start_from_is_valid(parts):
    assert encode(decode(parts.file)) == parts.file
    assert parts.sealed() == parts.file
    assert parts.sealed(parts.header) == parts.file


def test_a_file_cut_short_anywhere_is_refused(parts):
    for length in range(len(parts.file)):
        refused(parts.file[:length])


def test_a_file_with_any_byte_altered_is_refused(parts):
    for place in range(len(parts.file)):
        for flip in (0x01, 0x80, 0xFF):
            altered = bytearray(parts.file)
            altered[place] ^= flip
            refused(altered)


def test_trailing_and_leading_bytes_are_refused(parts):
    refused(parts.file + b"\0", "length of the file")
    refused(b"\0" + parts.file, "start of the file")
    refused(parts.file + parts.file)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"version": 0}, "version of the file: got 0"),
        ({"version": 2}, r"version of the file: got 2.*compile the model again"),
        ({"version": 2**32 - 1}, "version"),
        ({"reserved": 1}, "reserved bytes"),
        ({"header_size": 0}, "length of the header"),
        ({"header_size": 1}, "length of the header"),
        ({"header_size": 2**24 + 1}, "length of the header"),
        ({"header_size": 2**32 - 1}, "length of the header"),
        ({"total": 0}, "length of the file"),
        ({"total": HUGE}, "length of the file"),
        ({"total": 2**64 - 1}, "length of the file"),
    ],
)
def test_a_wrong_fixed_header_is_refused_though_its_checksum_is_right(parts, fields, match):
    refused(parts.sealed(**fields), match)


def test_a_header_length_that_is_off_by_some_is_refused(parts):
    size = len(parts.header_bytes)
    for wrong in (size - 64, size - 1, size + 1, size + 64):
        refused(parts.sealed(header_size=wrong))


def test_a_wrong_checksum_is_refused(parts):
    altered = bytearray(parts.file)
    altered[40] ^= 1
    refused(altered, "checksum")


@pytest.mark.parametrize("place", ["header", "data"])
def test_any_altered_byte_is_refused_or_means_another_file_once_the_checksum_is_mended(
    parts, place
):
    """Canonical form: no two byte strings stand for one artifact."""
    original = parts.header_bytes if place == "header" else parts.data
    for index in range(0, len(original), 5 if place == "header" else 1):
        altered = bytearray(original)
        altered[index] ^= 0x04
        data = parts.sealed(**{place: bytes(altered)})
        try:
            artifact = decode(data)
        except FormatError:
            continue
        assert encode(artifact) == data


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(noise=st.binary(max_size=300))
def test_noise_is_refused(parts, noise):
    refused(noise)
    refused(parts.sealed(header=noise))
    refused(parts.sealed(data=noise))


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(data=st.data())
def test_any_json_value_in_place_of_any_other_is_refused_or_reads_as_itself(parts, data):
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    poison = data.draw(st.recursive(leaf, lambda inner: st.lists(inner, max_size=3), max_leaves=4))
    header = parts.header
    path = data.draw(st.sampled_from(sorted(_paths(header), key=repr)))
    parent = header
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = poison
    try:
        sealed = parts.sealed(header)
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        sealed = parts.sealed(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    try:
        artifact = decode(sealed)
    except FormatError:
        return
    assert encode(artifact) == sealed


def _paths(document, path=()):
    children = document.items() if isinstance(document, dict) else enumerate(document)
    for key, child in children:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from _paths(child, (*path, key))


BAD_JSON = {
    "not JSON": b"{class_names}",
    "cut": b'{"class_names":[',
    "two documents": b"{}{}",
    "a list": b"[]",
    "a number": b"12",
    "null": b"null",
    "bad UTF-8": b'{"graph":"\xff\xfe"}',
    "overlong UTF-8": b'{"graph":"\xc0\xaf"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"graph":""}'.encode("utf-16"),
    "NaN": b'{"graph":NaN}',
    "Infinity": b'{"graph":-Infinity}',
    "a float beyond all": b'{"graph":1e999}',
    "an integer of 5,000 digits": b'{"graph":' + b"9" * 5000 + b"}",
    "deep lists": b"[" * 100_000,
    "deep and closed": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a control character": b'{"graph":"\x01"}',
    "a NUL": b'{"graph":"a\x00b"}',
    "a lone surrogate": b'{"graph":"\\ud800"}',
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_a_header_that_is_not_our_json_is_refused(parts, name):
    refused(parts.sealed(header=BAD_JSON[name]), "header|JSON")


def test_json_that_is_valid_but_not_canonical_is_refused(parts):
    text = parts.header_bytes
    spellings = [
        text + b" ",
        b" " + text,
        text.replace(b'"plan":', b'"plan": '),
        text.replace(b'"seed":"0"', b'"seed":"\\u0030"'),
        text.replace(b'"mean":[0.5,', b'"mean":[5e-1,'),
        text.replace(b'"size":12', b'"size":12.0'),
        json.dumps(parts.header, separators=(",", ":"), sort_keys=False)[::1].encode()[:-1]
        + b"\n}",
    ]
    for spelling in spellings:
        assert spelling != text
        refused(parts.sealed(header=spelling))


@pytest.mark.parametrize("member", ["graph", "tensors", "provenance"])
def test_a_key_that_comes_twice_is_refused(parts, member):
    twice = parts.header_bytes[:-1] + f',"{member}":null}}'.encode()
    refused(parts.sealed(header=twice), f"JSON key: got '{member}'")


def test_missing_and_unknown_members_are_refused(parts):
    for member in parts.header:
        header = parts.header
        del header[member]
        refused(parts.sealed(header), "keys of the header")
    refused(parts.sealed(parts.header | {"zzz": 1}), "keys of the header")


TENSOR_ATTACKS = {
    "duplicate name": (lambda t: t[1].update(name="a"), "tensor name: got 'a'"),
    "unsorted": (lambda t: t[1].update(name="d2"), "tensor name: got 'c'"),
    "unknown name": (lambda t: t[4].update(name="f"), "content of the file"),
    "illegal name": (lambda t: t[0].update(name="../etc"), "tensor name"),
    "empty name": (lambda t: t[0].update(name=""), "tensor name"),
    "unknown encoding": (lambda t: t[0].update(encoding="f64"), "encoding of a: got 'f64'"),
    "unhashable encoding": (lambda t: t[0].update(encoding=["f32"]), "encoding of a"),
    "overlap": (lambda t: t[1].update(offset=t[1]["offset"] - 4), "place of tensor b"),
    "gap": (lambda t: t[1].update(offset=t[1]["offset"] + 4), "place of tensor b"),
    "first not at 0": (lambda t: t[0].update(offset=4), "place of tensor a"),
    "negative offset": (lambda t: t[0].update(offset=-4), "offset of a"),
    "huge offset": (lambda t: t[4].update(offset=HUGE), "place of tensor e"),
    "negative size": (lambda t: t[4].update(size=-8), "size of e"),
    "no size": (lambda t: t[4].update(size=0), "size of e"),
    "huge size": (lambda t: t[4].update(size=HUGE), "size of the data section"),
    "size beyond 64 bits": (lambda t: t[4].update(size=2**70), "size of e"),
    "unaligned size": (lambda t: t[4].update(size=t[4]["size"] + 1), "place of tensor e"),
    "small size": (lambda t: t[4].update(size=4), "size of the data section"),
    "size as float": (lambda t: t[4].update(size=8.0), "size of e"),
    "size as bool": (lambda t: t[4].update(size=True), "size of e"),
    "huge shape": (lambda t: t[0].update(shape=[2**31 - 1] * 4), "size of tensor a"),
    "huge low-bit shape": (lambda t: t[1].update(shape=[3, 2**31 - 1]), "size of tensor b"),
    "huge filters": (lambda t: t[2].update(shape=[2**31 - 1, 3]), "size of tensor c"),
    "extent beyond 31 bits": (lambda t: t[0].update(shape=[2**31, 1]), "extent of a"),
    "extent 0": (lambda t: t[0].update(shape=[0, 3]), "extent of a"),
    "negative extents": (lambda t: t[0].update(shape=[-1, -3]), "extent of a"),
    "no axes": (lambda t: t[0].update(shape=[]), "axes of a"),
    "five axes": (lambda t: t[0].update(shape=[1, 1, 1, 1, 3]), "shape of a"),
    "low-bit vector": (lambda t: t[2].update(shape=[3]), "axes of c"),
    "another shape of the same size": (lambda t: t[0].update(shape=[3, 1]), "content of the file"),
    "offset on f32": (lambda t: t[0].update(filter_offset=True), "filter_offset of a"),
    "offset as number": (lambda t: t[2].update(filter_offset=1), "filter_offset of c"),
    "offset that is not there": (lambda t: t[2].update(filter_offset=True), "size of tensor c"),
    "integer vector": (lambda t: t[4].update(shape=[3]), "axes of e"),
    "integer of three axes": (lambda t: t[4].update(shape=[1, 3, 1]), "axes of e"),
    "huge integer shape": (lambda t: t[4].update(shape=[1, 2**31 - 1]), "size of tensor e"),
    "huge integer filters": (lambda t: t[4].update(shape=[2**31 - 1, 3]), "size of tensor e"),
    "offset on integer": (lambda t: t[4].update(filter_offset=True), "filter_offset of e"),
    "integer as f32": (lambda t: t[4].update(encoding="f32"), "size of tensor e"),
    "f32 as integer": (lambda t: t[0].update(encoding="integer"), "size of tensor a"),
    "binary as integer": (lambda t: t[2].update(encoding="integer"), "content of the file"),
    "extra member": (lambda t: t[0].update(extra=1), "keys of the tensor"),
    "missing member": (lambda t: t[0].pop("shape"), "keys of the tensor"),
    "a number for a row": (lambda t: t.append(7), "keys of the tensor"),
    "one row too few": (lambda t: t.pop(), "size of the data section"),
}


@pytest.mark.parametrize("name", TENSOR_ATTACKS)
def test_a_tensor_table_that_lies_is_refused(parts, name):
    attack, match = TENSOR_ATTACKS[name]
    header = parts.header
    attack(header["tensors"])
    refused(parts.sealed(header), match)


def replaced(data, place, new):
    return data[:place] + new + data[place + len(new) :]


# The data section: a at 0 (3 numbers), b at 12 (3 scales, 3 offsets, 2+1+1 bytes of bits),
# c at 40 (1 scale, 1 byte of bits, 3 of padding), d at 48 (1 scale, 1+1 bytes of bits, 2),
# e at 56 (1 scale, 3 bytes of codes, 1 of padding).
DATA_ATTACKS = {
    "NaN weight": (0, "0000c07f", "numbers of tensor a"),
    "infinite weight": (8, "0000807f", "numbers of tensor a"),
    "NaN scale": (12, "0000c07f", "numbers of tensor b"),
    "infinite offset": (24, "000080ff", "numbers of tensor b"),
    "offsets all zero": (24, "00" * 12, "filter_offset of tensor b"),
    "padding bits of the mask": (37, "80", "padding bits of tensor b"),
    "padding bits of the signs": (38, "f2", "padding bits of tensor b"),
    "padding byte": (39, "01", "padding of tensor b"),
    "sign of a filter of zeros": (38, "06", "signs of tensor b"),
    "binary padding bits": (44, "0d", "padding bits of tensor c"),
    "binary padding bytes": (47, "01", "padding of tensor c"),
    "binary of one sign": (44, "07", "encoding of tensor c"),
    "ternary without zeros": (52, "07", "encoding of tensor d"),
    "ternary of one sign": (53, "00", "encoding of tensor d"),
    "ternary sign of a zero": (53, "06", "padding bits of tensor d"),
    "ternary padding bits": (52, "85", "padding bits of tensor d"),
    "infinite integer scale": (56, "0000807f", "numbers of tensor e"),
    "code beyond 63": (60, "40", "codes of tensor e"),
    "code below -63": (61, "c0", "codes of tensor e"),
    "code -128": (62, "80", "codes of tensor e"),
    "integer padding byte": (63, "01", "padding of tensor e"),
}


@pytest.mark.parametrize("name", DATA_ATTACKS)
def test_data_that_lies_is_refused_though_the_checksum_is_right(parts, name):
    place, new, match = DATA_ATTACKS[name]
    refused(parts.sealed(data=replaced(parts.data, place, bytes.fromhex(new))), match)


def test_data_longer_or_shorter_than_the_tensors_is_refused(parts):
    refused(parts.sealed(data=parts.data + bytes(4)), "size of the data section")
    refused(parts.sealed(data=parts.data[:-4]), "size of the data section")
    refused(parts.sealed(data=b""), "size of the data section")


CONTENT_ATTACKS = {
    "no graph": lambda h: h.update(graph=""),
    "graph of another op": lambda h: h.update(graph=h["graph"].replace("linear", "system")),
    "graph with a comment": lambda h: h.update(graph="# hello\n" + h["graph"]),
    "graph with a blank line": lambda h: h.update(graph=h["graph"] + "\n"),
    "graph of other shapes": lambda h: h.update(graph=h["graph"].replace("[N,3,1,1]", "[N,4,1,1]")),
    "graph with huge shapes": lambda h: h.update(
        graph=h["graph"].replace("[N,3,1,1]", "[N,3,99999999,99999999]")
    ),
    "graph without a constant": lambda h: h.update(graph=h["graph"].replace("@a", "@zz")),
    "codes without a scale": lambda h: h.update(
        graph=h["graph"].replace(" scale 0.25 zero 128 bits 8", "")
    ),
    "codes of scale 0": lambda h: h.update(graph=h["graph"].replace("scale 0.25", "scale 0.0")),
    "codes of 4 bits": lambda h: h.update(graph=h["graph"].replace("bits 8", "bits 4")),
    "an integer weight on numbers": lambda h: h.update(
        graph=h["graph"].replace("linear(%codes)", "linear(%flat)")
    ),
    "codes for an output": lambda h: h.update(
        graph=h["graph"].replace("output %y_b", "output %codes")
    ),
    "graph of 4 MB of newlines": lambda h: h.update(graph="\n" * 2**22),
    "graph as a number": lambda h: h.update(graph=1),
    "plan of another graph": lambda h: h["plan"]["layers"][0].update(layer="other"),
    "plan of a list": lambda h: h.update(plan=[]),
    "plan of an unknown strategy": lambda h: h["plan"]["layers"][0].update(strategy="jit"),
    "plan with a layer twice": lambda h: h["plan"]["layers"].append(h["plan"]["layers"][0]),
    "preprocessing of another shape": lambda h: h["preprocessing"].update(height=2),
    "preprocessing of no shape": lambda h: h["preprocessing"].update(height=0),
    "preprocessing with std 0": lambda h: h["preprocessing"].update(std=[0.0, 1.0, 1.0]),
    "preprocessing of text": lambda h: h["preprocessing"].update(mean="abc"),
    "preprocessing as a list": lambda h: h.update(preprocessing=[1]),
    "preprocessing without resize": lambda h: h["preprocessing"].pop("resize"),
    "too few class names": lambda h: h["class_names"].pop(),
    "class names of numbers": lambda h: h.update(class_names=[1, 2, 3]),
    "class names as text": lambda h: h.update(class_names="pqr"),
    "a long class name": lambda h: h.update(class_names=["x" * 1025, "q", "r"]),
    "100,000 class names": lambda h: h.update(class_names=["x"] * 100_000),
    "provenance of numbers": lambda h: h.update(provenance={"seed": 0}),
    "300 provenances": lambda h: h.update(provenance={str(n): "" for n in range(300)}),
    "provenance as a list": lambda h: h.update(provenance=[]),
}


@pytest.mark.parametrize("name", CONTENT_ATTACKS)
def test_content_that_makes_no_sense_is_refused_though_the_checksum_is_right(parts, name):
    header = parts.header
    CONTENT_ATTACKS[name](header)
    refused(parts.sealed(header))


@pytest.mark.parametrize(
    "attack",
    [
        lambda parts: parts.sealed(header=b"[" + b"[]," * 2**18 + b"[]]"),
        lambda parts: parts.sealed(header=b"[" + b"{}," * 2**18 + b"{}]"),
        lambda parts: parts.sealed(header=b'{"a":"' + b"\\u0001" * 2**17 + b'"}'),
        lambda parts: parts.sealed(header=b"{" + b'"":0,' * 2**17 + b'"":0}'),
    ],
)
def test_no_header_takes_more_than_32_bytes_for_each_of_its_own(parts, attack):
    data = attack(parts)
    assert peak_memory(data) < 32 * len(data)


def test_more_json_than_the_cap_is_refused_before_it_is_parsed(parts):
    data = parts.sealed(header=b"[" * (2**20 + 1))
    assert peak_memory(data) < 3 * len(data)


@pytest.mark.parametrize("name", [name for name in TENSOR_ATTACKS if "huge" in name])
def test_claimed_sizes_allocate_nothing(parts, name):
    header = parts.header
    TENSOR_ATTACKS[name][0](header["tensors"])
    assert peak_memory(parts.sealed(header)) < 2**20


def test_a_claimed_number_of_channels_of_codes_allocates_nothing(parts):
    header, codes = parts.header, "scale 0.25 zero 128 bits 8"
    wide = f"u8[N,{2**28}] {codes}"
    header["graph"] = "\n".join(
        [
            "graph g",
            f"input %x : f32[N,{2**28}]",
            f"%q = quantize(%x) : {wide}",
            f"%r = leaky_relu(%q) {{slope=0.5}} : {wide}",
            f"%s = add(%r, %q) : {wide}",
            f"%y = dequantize(%s) : f32[N,{2**28}]",
            "output %y",
            "",
        ]
    )
    header.update(tensors=[], plan=None, preprocessing=None, class_names=[])
    data = parts.sealed(header, b"")
    tracemalloc.start()
    assert encode(decode(data)) == data
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def peak_memory(data):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            decode(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_valid_data_section_takes_more_than_the_specification_says():
    import numpy as np

    from signbin.artifact import Artifact
    from signbin.ir import ConstRef, Graph, Node, TensorType, Value
    from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

    rng = np.random.default_rng(0)
    inputs = (Value("x", TensorType("f32", (0, 2**16))),)
    quantized = TensorType("u8", (0, 2**16), ActivationSpec(0.25, 128, 8))
    quantize = Node("q", "quantize", ("x",), {}, quantized)
    for choices, given in itertools.product(([0, 1], [-1, 1], [-1, 0, 1], [-63, 5]), "xq"):
        codes = rng.choice(np.array(choices, np.int8), (64, 2**16))
        if max(map(abs, choices)) > 1 and given == "x":
            continue
        kind = LowBitWeight if max(map(abs, choices)) == 1 else IntegerWeight
        weight = kind(codes, np.ones(64, np.float32))
        node = Node("y", "linear", (given,), {"weight": ConstRef("w")}, TensorType("f32", (0, 64)))
        nodes = (quantize, node) if given == "q" else (node,)
        data = encode(Artifact(Graph("g", inputs, nodes, ("y",), {"w": weight})))
        tracemalloc.start()
        decode(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40 * len(data)
