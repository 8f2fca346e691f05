import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.analysis import ProcessingArray, estimate, gemm, validate
from signbin.analysis.accelerators.packing import pack_rows
from signbin.analysis.accelerators.sigma import SigmaConfiguration, count
from signbin.analysis.counts import Action
from signbin.analysis.validation import simulator_runs
from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError


def layer_of(nonzero, vectors, **more):
    return LayerWorkload(
        "layer",
        *nonzero.shape,
        out_shape=(1, vectors),
        in_shape=(1, vectors),
        codes=nonzero.astype(np.int8),
        **more,
    )


def random_pattern(rows, columns, density, seed):
    return np.random.default_rng(seed).random((rows, columns)) < density


def test_on_the_operands_stonne_drew_cycles_agree_exactly_and_energy_to_the_last_digit():
    for run in validate("stonne"):
        assert run.cycles == run.reference.cycles
        assert round(run.energy) == pytest.approx(run.reference.energy, abs=1)


def test_on_independent_draws_every_reference_is_met_within_five_percent():
    for run in validate("independent", seeds=3):
        assert abs(run.cycles_error) < 0.05
        assert abs(run.energy_error) < 0.05


def test_every_reference_named_in_the_method_is_there():
    assert len(simulator_runs()) == 10


@st.composite
def matrices_and_arrays(draw):
    multipliers = 2 ** draw(st.integers(2, 6))
    ports, lines = (2 ** draw(st.integers(0, multipliers.bit_length() - 1)) for _ in range(2))
    rows, columns = draw(st.integers(1, 14)), draw(st.integers(3, 60))
    density = draw(st.sampled_from([0.2, 0.36, 0.7, 1.0]))
    nonzero = random_pattern(rows, columns, density, draw(st.integers(0, 99)))
    nonzero[:, :3] = True  # the simulated tree serves rows of three non-zeros and more
    return nonzero, draw(st.integers(1, 9)), (multipliers, ports, lines)


@settings(max_examples=25, deadline=None)
@given(matrices_and_arrays())
def test_every_count_equals_that_of_a_cycle_by_cycle_simulation(slow_sigma, case):
    nonzero, vectors, array = case
    expected = slow_sigma(nonzero, vectors, array)
    counts = count(layer_of(nonzero, vectors), SigmaConfiguration("sigma", *array))
    # A bus line that gets sums faster than it passes them keeps a backlog from the first sums on,
    # which the model spaces evenly: off by a cycle or two then, never otherwise.
    crowded = array[2] < len(nonzero)
    assert abs(counts.cycles - expected.cycles) <= (2 if crowded else 0)
    assert counts[Action.ADD] == expected.adds
    assert counts[Action.REDUCE] == expected.reduce_wires
    assert counts[Action.DISTRIBUTE] == expected.distribute_wires
    assert counts[Action.ROUTE] == expected.routes
    assert counts[Action.BUFFER_WRITE] == expected.writes


def test_rows_are_packed_whole_and_folds_keep_a_multiplier_for_the_partial_sum():
    rounds = list(pack_rows(np.array([3, 4, 0, 2, 20, 1]), 8))
    assert [one.rows for one in rounds] == [(0, 1), (3,), (4,), (4,), (4,), (5,)]
    assert [one.sizes for one in rounds[2:5]] == [(8,), (7,), (5,)]
    assert [one.resumed for one in rounds] == [False, False, False, True, True, False]
    assert [one.closes for one in rounds] == [True, True, False, False, True, True]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(2, 16))
def test_packing_takes_every_nonzero_once_and_never_exceeds_the_array(sizes, multipliers):
    taken = dict.fromkeys(range(len(sizes)), 0)
    for one in pack_rows(np.array(sizes), multipliers):
        assert sum(one.sizes) + one.resumed <= multipliers
        for row, size in zip(one.rows, one.sizes, strict=True):
            taken[row] += size
    assert list(taken.values()) == sizes


CONFIGURATION = SigmaConfiguration("sigma", 64, 32, 32)


def test_zero_sparsity_gives_the_dense_count_of_products():
    counts = count(gemm((10, 7, 30), 1.0), CONFIGURATION)
    assert counts[Action.MULTIPLY] == 10 * 7 * 30


def test_products_scale_with_every_extent():
    base = count(gemm((8, 6, 20), 1.0), CONFIGURATION)
    for shape in ((16, 6, 20), (8, 12, 20), (8, 6, 40)):
        doubled = count(gemm(shape, 1.0), CONFIGURATION)
        assert doubled[Action.MULTIPLY] == 2 * base[Action.MULTIPLY]


def test_actions_per_vector_do_not_depend_on_how_many_vectors_pass():
    nonzero = random_pattern(9, 100, 0.5, 1)
    five, ten, fifteen = (count(layer_of(nonzero, n), CONFIGURATION) for n in (5, 10, 15))
    for action in five.actions:
        if action.action != "static":
            assert fifteen[action] - ten[action] == ten[action] - five[action]


def test_additions_join_all_products_and_partial_sums_of_a_row():
    nonzero = random_pattern(9, 300, 0.5, 2)
    counts = count(layer_of(nonzero, 4), SigmaConfiguration("sigma", 64, 64, 64))
    operands = counts[Action.MULTIPLY] + counts[Action.FORWARD]
    two_operand_adds = operands - counts[Action.BUFFER_WRITE]
    assert 0.8 * two_operand_adds < counts[Action.ADD] <= two_operand_adds


def test_buffer_reads_are_the_consumers_served():
    """Weights once, each streamed element once per pass, a partial sum per resumed vector."""
    nonzero = np.zeros((3, 40), dtype=bool)
    nonzero[0, :20] = nonzero[1, :4] = nonzero[2, 30:34] = True
    counts = count(layer_of(nonzero, 5), SigmaConfiguration("sigma", 8, 4, 4))
    # row 0 folds into 8 + 7 + 5, rows 1 and 2 share a round: two passes over the streamed matrix
    assert counts[Action.FORWARD] == 2 * 5
    assert counts[Action.BUFFER_READ] == 28 + 2 * 5 + 2 * 40 * 5
    assert counts[Action.BUFFER_WRITE] == (3 + 2) * 5


def test_zero_activations_save_buffer_reads_and_nothing_else():
    nonzero = random_pattern(9, 100, 0.5, 3)
    dense = count(layer_of(nonzero, 10), CONFIGURATION)
    sparse = count(layer_of(nonzero, 10, activation_density=0.5), CONFIGURATION)
    assert sparse[Action.BUFFER_READ] < dense[Action.BUFFER_READ]
    assert sparse.cycles == dense.cycles
    assert all(
        sparse[action] == dense[action] for action in Action if action is not Action.BUFFER_READ
    )


def test_groups_run_one_after_the_other():
    codes = np.ones((8, 9), dtype=np.int8)
    grouped = LayerWorkload("g", 8, 4, (3, 3), (5, 5), (5, 5), groups=4, codes=codes)
    one = LayerWorkload("g", 2, 1, (3, 3), (5, 5), (5, 5), codes=codes[:2])
    assert count(grouped, CONFIGURATION).to_json() == (
        count(one, CONFIGURATION).repeated(4).to_json()
    )


def test_an_all_zero_row_takes_no_multiplier():
    nonzero = random_pattern(4, 30, 0.5, 4)
    padded = np.insert(nonzero, 2, False, axis=0)
    with_zeros = count(layer_of(padded, 6), CONFIGURATION)
    assert with_zeros.to_json() == count(layer_of(nonzero, 6), CONFIGURATION).to_json()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("sigma-256-0", "bandwidth"),
        ("sigma-0-1", "multipliers"),
        ("sigma-100-10", "power of two"),
        ("sigma-64-128", "at most the 64 multipliers"),
        ("sigma-1-1", "2 or more"),
        ("sigma-big", "sigma-<multipliers>-<bandwidth>"),
    ],
)
def test_impossible_arrays_are_refused_by_name(name, word):
    with pytest.raises(SpecError, match=word):
        estimate([gemm((4, 4, 4), 1.0)], ProcessingArray("sigma", name), "stonne")


def test_a_buffer_smaller_than_a_tile_is_refused_with_the_layer_and_the_size_it_needs():
    small = SigmaConfiguration("tiny", 64, 32, 32, buffer_bytes=100)
    with pytest.raises(SpecError, match=r"tiny: buffer_bytes .* gemm-4x4x30.*at least 316"):
        count(gemm((4, 4, 30), 1.0), small)
