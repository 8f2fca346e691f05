import dataclasses
import json
from pathlib import Path

import pytest

from signbin.analysis import (
    Action,
    Component,
    Counts,
    ProcessingArray,
    action_counts_yaml,
    estimate,
    gemm,
    load_table,
    reference_table_yaml,
    table_names,
)
from signbin.analysis.counts import action_from_name, total
from signbin.analysis.tables import EnergyTable, Price
from signbin.analysis.units import convert, readable
from signbin.analysis.workload import LayerWorkload, with_kind
from signbin.errors import FormatError, SpecError
from signbin.spec import ValueSet

LAYERS = [
    dataclasses.replace(gemm((12, 9, 80), 0.4, pattern="independent", seed=seed), name=f"l{seed}")
    for seed in range(3)
]
SIGMA = ProcessingArray("sigma", "sigma-64-32")


def test_the_published_prices_are_the_ones_we_use():
    stonne = load_table("stonne").prices
    assert stonne[Action.ADD] == 0.111
    assert stonne[Action.MULTIPLY] == 0.00741
    assert stonne[Action.BUFFER_READ] == 0.044
    assert stonne[Action.ROUTE] == 0.036
    assert stonne[Action.ADDER_CYCLE] == 0.001505
    horowitz = load_table("horowitz-45nm").prices
    assert horowitz[Action.ADD] == 0.1
    assert horowitz[Action.MULTIPLY] == 3.1
    assert horowitz[Action.BUFFER_READ] == 10 / 2  # 64 bits for 10 pJ, elements of 32
    aladdin = load_table("aladdin-40nm").prices
    assert (aladdin[Action.ADD], aladdin[Action.MULTIPLY]) == (0.21, 12.68)
    sparseloop = load_table("sparseloop-45nm").prices
    assert sparseloop[Action.ADD] + sparseloop[Action.MULTIPLY] == pytest.approx(0.561)
    assert sparseloop[Action.GATED] == 0.018
    assert sparseloop[Action.BUFFER_READ] == pytest.approx(285.7 / 64)  # 512 bits, elements of 8
    assert sparseloop[Action.DRAM_READ] == 512 / 64  # per bit


@pytest.mark.parametrize("name", table_names())
def test_every_row_of_every_table_names_unit_node_and_source(name):
    for row in load_table(name).rows:
        assert row.node
        assert len(row.source) > 10
        assert row.unit == load_table(name).unit


def test_a_vector_instruction_costs_its_issue_and_each_of_its_lanes():
    """fp32: 0.9 an addition, 3.7 a product; 70 to fetch, decode and control an instruction."""
    prices = load_table("horowitz-45nm").prices
    layer = with_kind(LAYERS[0], ValueSet.BINARY)
    narrow, wide = (
        estimate([layer], ProcessingArray("cpu", f"cpu-{n}"), "horowitz-45nm") for n in (8, 16)
    )
    for result, lanes in ((narrow, 8), (wide, 16)):
        counts = result.counts
        assert counts[Action.LANE_ADD] == lanes * counts[Action.VECTOR_ADD] > 0
    assert (prices[Action.VECTOR_ADD], prices[Action.LANE_ADD]) == (70.0, 0.9)
    assert prices[Action.LANE_MULTIPLY] == pytest.approx(3.7 + 0.9)


def test_energy_is_the_sum_of_counts_times_prices():
    result = estimate(LAYERS, SIGMA, "stonne")
    prices = load_table("stonne").prices
    expected = sum(prices[action] * number for action, number in result.counts.actions.items())
    assert result.energy == pytest.approx(expected)


def test_energy_and_cycles_add_over_layers_and_components():
    whole = estimate(LAYERS, SIGMA, "stonne")
    parts = [estimate([layer], SIGMA, "stonne") for layer in LAYERS]
    assert whole.energy == pytest.approx(sum(part.energy for part in parts))
    assert whole.cycles == sum(part.cycles for part in parts)
    assert whole.energy == pytest.approx(sum(whole.components.values()))
    for component, energy in whole.components.items():
        assert energy == pytest.approx(sum(part.components[component] for part in parts))


def test_repricing_equals_estimating_with_the_other_table():
    once = estimate(LAYERS, SIGMA, "stonne").repriced("horowitz-45nm")
    assert once.to_json() == estimate(LAYERS, SIGMA, "horowitz-45nm").to_json()


def test_the_json_has_the_promised_keys_and_says_how_it_was_made():
    document = json.loads(json.dumps(estimate(LAYERS, SIGMA, "stonne").to_json()))
    assert set(document) == {"cycles", "energy", "unit", "layers", "components", "provenance"}
    provenance = document["provenance"]
    assert provenance["label"] == "estimated"
    assert provenance["model"] == "sigma"
    assert provenance["configuration"]["name"] == "sigma-64-32"
    assert provenance["table"] == "stonne"
    assert provenance["dram"] == "not counted"
    assert provenance["workload"]["zeros"] == "drawn independently, seed 0"


def test_a_label_names_model_table_configuration_and_what_is_left_out():
    label = estimate(LAYERS, SIGMA, "stonne").label
    assert label == (
        "estimated (model sigma, table stonne, configuration sigma-64-32; "
        "on-chip only, DRAM not counted)"
    )


def test_dram_is_counted_when_asked_each_operand_once():
    layer = LayerWorkload("conv", 8, 4, (3, 3), (6, 6), (6, 6), value_set=ValueSet.BINARY)
    array = ProcessingArray("sigma", "sigma-64-32", dram=True, activation_bits=8)
    result = estimate([layer], array, "horowitz-45nm")
    assert result.counts[Action.DRAM_READ] == 8 * 4 * 9 + 4 * 36 * 8
    assert result.counts[Action.DRAM_WRITE] == 8 * 36 * 8
    assert "DRAM counted" in result.label
    assert Component.DRAM not in estimate([layer], SIGMA, "horowitz-45nm").components


def test_an_action_without_a_price_is_refused_and_never_free():
    with pytest.raises(SpecError, match=r"stonne has no price for.*dram\.read"):
        estimate(LAYERS, ProcessingArray("sigma", "sigma-64-32", dram=True), "stonne")
    with pytest.raises(SpecError, match=r"instruction\.vector_add"):
        estimate(LAYERS, ProcessingArray("cpu"), "aladdin-40nm")


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [(1.0, "J", "pJ", 1e12), (2500.0, "pJ", "nJ", 2.5), (3.0, "relative", "relative", 3.0)],
)
def test_units_convert(value, unit, to, expected):
    assert convert(value, unit, to) == pytest.approx(expected)
    assert convert(convert(value, unit, to), to, unit) == pytest.approx(value)


def test_relative_figures_convert_to_nothing_and_unknown_units_are_refused():
    with pytest.raises(SpecError, match="relative"):
        convert(1.0, "relative", "pJ")
    with pytest.raises(SpecError, match="kWh"):
        convert(1.0, "kWh", "pJ")


def test_readable_figures_keep_their_value():
    value, unit = readable(2.0e10, "pJ")
    assert (value, unit) == (20.0, "mJ")
    assert readable(5.0, "relative") == (5.0, "relative")


def test_a_row_in_another_unit_of_joules_is_converted_to_the_table():
    rows = (Price(Action.ADD, 0.1, "nJ", "45 nm", "a test"),)
    assert EnergyTable("t", "t", "pJ", 32, rows).prices[Action.ADD] == pytest.approx(100.0)


ROW = '[[row]]\naction = "{}"\nvalue = {}\nunit = "pJ"\nnode = "45 nm"\nsource = "a test"\n'
HEAD = 'title = "test"\nunit = "pJ"\nelement_bits = 32\n'


@pytest.mark.parametrize(
    ("text", "error", "word"),
    [
        (HEAD + ROW.format("flux_capacitor.add", 1), SpecError, "unknown component"),
        (HEAD + ROW.format("adder.subtract", 1), SpecError, "unknown action of adder"),
        (HEAD + ROW.format("adder.add", -1), SpecError, "number >= 0"),
        (HEAD + ROW.format("adder.add", "nan"), SpecError, "number >= 0"),
        (HEAD + ROW.format("adder.add", '"cheap"'), FormatError, "cheap"),
        (HEAD + ROW.format("adder.add", 1) + "verified = 3\n", SpecError, "verified"),
        (HEAD.replace("32", '"wide"') + ROW.format("adder.add", 1), FormatError, "wide"),
        (HEAD + ROW.format("adder.add", 1) * 2, SpecError, "one row per action"),
        (HEAD + "[[row]]\naction = 'adder.add'\nvalue = 1\n", FormatError, "source"),
        (ROW.format("adder.add", 1), FormatError, "title"),
        ("title = ", FormatError, r"mine\.toml"),
    ],
)
def test_a_bad_table_is_refused_by_name(tmp_path: Path, text, error, word):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(error, match=word):
        load_table(path)


def test_a_table_of_ones_own_prices_like_a_shipped_one(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ROW.format("adder.add", 2))
    assert load_table(path).prices[Action.ADD] == 2.0


def test_counts_add_repeat_and_round_trip():
    one = Counts(3, {Action.ADD: 2, Action.MULTIPLY: 0})
    assert (one + one)[Action.ADD] == one.repeated(2)[Action.ADD] == 4
    assert total([one, one]).cycles == 6
    assert Counts.from_json(one.to_json()) == one
    assert Action.MULTIPLY not in one.actions


def test_negative_counts_are_refused():
    with pytest.raises(SpecError, match="negative"):
        Counts(1, {Action.ADD: -1})


def test_every_action_has_a_name_and_a_definition():
    for action in Action:
        assert action_from_name(str(action)) is action
        assert action.definition


def test_accelergy_files_hold_every_count_and_price():
    yaml = pytest.importorskip("yaml")
    result = estimate(LAYERS, SIGMA, "stonne")
    counted = yaml.safe_load(action_counts_yaml(result.counts))["action_counts"]
    table = yaml.safe_load(reference_table_yaml(result.table))["ERT"]
    energies = {
        (entry["name"], action["name"]): action["energy"]
        for entry in table["tables"]
        for action in entry["actions"]
    }
    energy = sum(
        action["counts"] * energies[entry["name"], action["name"]]
        for entry in counted["local"]
        for action in entry["action_counts"]
    )
    assert counted["version"] == table["version"] == 0.3
    assert energy == pytest.approx(result.energy)


def test_an_array_that_sees_zeros_only_treats_ternary_and_signed_binary_alike():
    binary, ternary, ours = (
        estimate([with_kind(layer, kind, density) for layer in LAYERS], SIGMA, "stonne")
        for kind, density in (
            (ValueSet.BINARY, 1.0),
            (ValueSet.TERNARY, 0.4),
            (ValueSet.SIGNED_BINARY, 0.4),
        )
    )
    assert binary.energy > ours.energy
    assert ours.counts == ternary.counts


def test_a_binary_layer_with_zeros_is_refused():
    with pytest.raises(SpecError, match="binary has no zeros"):
        with_kind(LAYERS[0], ValueSet.BINARY, 0.5)


def test_nothing_to_estimate_is_refused():
    with pytest.raises(SpecError, match="at least one"):
        estimate([], SIGMA, "stonne")
