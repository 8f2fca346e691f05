"""Before and after of every pass, as text.

A golden file holds two graphs, under ``# before`` and ``# after``; a backslash at the end of a
line continues it. Constants are made up from the types the text declares.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from signbin.ir import interpret, parse_graph, print_graph, real_values
from signbin.passes import PASSES, quantize_activations
from signbin.spec import LowBitWeight

GOLDEN = Path(__file__).with_name("golden")
DECLARATION = re.compile(r"const @(\S+) : (\w+)\[([0-9,]+)\](?: density ([0-9.]+)( centred)?)?")


def made_up_constants(text: str):
    rng = np.random.default_rng(3)
    constants = {}
    for name, kind, extents, density, centred in DECLARATION.findall(text):
        shape = tuple(int(extent) for extent in extents.split(","))
        if kind == "f32":
            constants[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
            if name == "zeros":
                constants[name][:] = 0
        else:
            constants[name] = made_up_low_bit(rng, kind, shape, float(density), bool(centred))
    return constants


def made_up_low_bit(rng, kind, shape, density, centred):
    per_filter = int(np.prod(shape[1:]))
    row = np.zeros(per_filter)
    row[: round(density * per_filter)] = 1
    if kind != "signed_binary":
        row[: np.count_nonzero(row) // 2] *= -1
    codes = np.stack([rng.permutation(row) for _ in range(shape[0])]).reshape(shape)
    scale, offset = rng.uniform(0.5, 1.5, (2, shape[0])).astype(np.float32)
    return LowBitWeight(codes.astype(np.int8), scale, offset if centred else None)


@pytest.fixture(params=PASSES, ids=lambda pass_: pass_.__name__)
def golden(request):
    """(pass, graph before, text after)."""
    text = (GOLDEN / f"{request.param.__name__}.ir").read_text(encoding="utf-8")
    before, after = text.replace("\\\n", "").split("# after\n")
    return request.param, parse_graph(before, made_up_constants(before)), after


def test_a_pass_turns_before_into_after(golden):
    pass_, before, after = golden
    assert print_graph(pass_(before)) == after


def test_a_pass_leaves_its_argument_alone(golden):
    pass_, before, _ = golden
    text = print_graph(before)
    copies = {name: repr(constant) for name, constant in before.constants.items()}
    pass_(before)
    assert print_graph(before) == text
    assert {name: repr(constant) for name, constant in before.constants.items()} == copies


def test_values_that_keep_their_name_keep_their_numbers(golden):
    pass_, before, _ = golden
    rng = np.random.default_rng(5)
    inputs = {
        value.name: rng.standard_normal((2, *value.type.shape[1:])).astype(np.float32)
        for value in before.inputs
    }
    made = pass_(before)
    old = real_values(before, interpret(before, inputs))
    new = real_values(made, interpret(made, inputs))
    assert set(before.outputs) <= set(new) <= set(old)
    for name in new:
        scale = np.abs(old[name]).max()
        np.testing.assert_allclose(new[name], old[name], rtol=1e-5, atol=1e-5 * scale)


def test_every_golden_file_belongs_to_a_pass():
    names = {pass_.__name__ for pass_ in (*PASSES, quantize_activations)}
    assert {path.stem for path in GOLDEN.glob("*.ir")} == names
