import dataclasses

import numpy as np
import pytest

from signbin.errors import SpecError
from signbin.sums import DROPPED, TEMPORARY, SumList, inlined


def numbers(*values):
    return np.array(values, np.int32)


@pytest.fixture
def sum_list():
    """t = x0 + x1; y0 = t - x2; and in a second segment y0 += x3, y1 = -x0."""
    return SumList(
        inputs=4,
        filters=3,
        starts=numbers(0, 2, 4, 5, 6),
        operands=numbers(0, 2, 8, 5, 6, 1),
        roles=numbers(TEMPORARY, 0, 0, 1),
        segments=numbers(0, 2, 4),
    )


def test_a_graph_evaluates_what_its_arrays_say(sum_list):
    x = np.array([[1, 10], [2, 20], [4, 40], [8, 80]], np.int64)
    expected = [[1 + 2 - 4 + 8, 10 + 20 - 40 + 80], [-1, -10], [0, 0]]
    np.testing.assert_array_equal(sum_list.evaluate(x), expected)


def test_additions_are_operands_less_one_per_sum_that_starts_afresh_with_a_plus(sum_list):
    # t: 1, y0 of the first segment: 1, of the second: 1 (it adds to what is there), y1 = 0 - x0: 1
    assert sum_list.additions == 4
    assert (sum_list.temporaries, sum_list.loads, sum_list.size_bytes) == (1, 6, 2 * (6 + 4))
    assert (
        str(sum_list)
        == "list of shared sums: 4 inputs, 3 filters, 4 additions, 1 temporaries, 2 segments"
    )


def test_a_dropped_sum_costs_and_gives_nothing(sum_list):
    dropped = dataclasses.replace(sum_list, roles=numbers(TEMPORARY, 0, DROPPED, 1))
    assert dropped.additions == 1 + 1 + 0 + 1
    x = np.ones((4, 1), np.int64)
    np.testing.assert_array_equal(dropped.evaluate(x), [[1], [-1], [0]])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"operands": np.zeros(6, np.int64)}, "not flat int32"),
        ({"inputs": 0}, "0 inputs"),
        ({"filters": 0}, "0 filters"),
        ({"starts": numbers(0, 2, 2, 5, 6)}, "starts do not ascend"),
        ({"starts": numbers(1, 2, 4, 5, 6)}, "starts do not ascend"),
        ({"starts": numbers(0, 2, 4, 6)}, "3 nodes|starts for"),
        ({"segments": numbers(0, 4, 2)}, "segments do not ascend"),
        ({"segments": numbers(0, 2)}, "segments do not ascend"),
        ({"roles": numbers(TEMPORARY, 0, 3, 1)}, "no filter"),
        ({"roles": numbers(TEMPORARY, 0, -3, 1)}, "no filter"),
        ({"operands": numbers(0, 2, 8, 5, 16, 1)}, "neither input nor node"),
        ({"operands": numbers(0, 2, 8, -2, 6, 1)}, "neither input nor node"),
        ({"operands": numbers(0, 8, 8, 5, 6, 1)}, "uses a later one"),
        ({"operands": numbers(0, 2, 8, 5, 8, 1)}, "another segment"),
        ({"roles": numbers(2, 0, 0, 1)}, "no temporary"),
        ({"operands": numbers(1, 2, 8, 5, 6, 1)}, "begins with a subtraction"),
        ({"starts": numbers(0, 1, 4, 5, 6)}, "fewer than two"),
        ({"roles": numbers(TEMPORARY, 0, 1, 1)}, "twice in a segment"),
    ],
)
def test_every_broken_graph_is_refused_with_the_reason(sum_list, changed, reason):
    with pytest.raises(SpecError, match=reason):
        dataclasses.replace(sum_list, **changed)


def test_inputs_of_another_shape_are_refused(sum_list):
    with pytest.raises(SpecError, match="inputs of a list of shared sums"):
        sum_list.evaluate(np.zeros((3, 1)))


def test_a_temporary_used_once_moves_into_its_user_and_costs_as_much(sum_list):
    flat = inlined(sum_list)
    np.testing.assert_array_equal(flat.operands, [0, 2, 5, 6, 1])
    np.testing.assert_array_equal(flat.roles, [0, 0, 1])
    np.testing.assert_array_equal(flat.segments, [0, 1, 3])
    assert flat.additions == sum_list.additions
    x = np.arange(8).reshape(4, 2)
    np.testing.assert_array_equal(flat.evaluate(x), sum_list.evaluate(x))


def test_a_chain_of_temporaries_used_once_with_a_minus_turns_every_sign():
    # a = x0 - x1; b = x2 - a; y = x0 - b  ->  y = x0 + x0 - x1 - x2
    chain = SumList(
        inputs=3,
        filters=1,
        starts=numbers(0, 2, 4, 6),
        operands=numbers(0, 3, 4, 7, 0, 9),
        roles=numbers(TEMPORARY, TEMPORARY, 0),
        segments=numbers(0, 3),
    )
    flat = inlined(chain)
    assert flat.nodes == 1
    x = np.array([[3], [5], [11]])
    np.testing.assert_array_equal(flat.evaluate(x), [[3 + 3 - 5 - 11]])
    np.testing.assert_array_equal(chain.evaluate(x), flat.evaluate(x))
    assert flat.additions == chain.additions


def test_a_temporary_used_twice_stays():
    twice = SumList(
        inputs=2,
        filters=2,
        starts=numbers(0, 2, 3, 4),
        operands=numbers(0, 2, 4, 5),
        roles=numbers(TEMPORARY, 0, 1),
        segments=numbers(0, 3),
    )
    assert inlined(twice).temporaries == 1
