import dataclasses
import json

import numpy as np
import pytest

from signbin.analysis import (
    EnergyRequest,
    ProcessingArray,
    Subject,
    answer,
    estimate,
    in_readable_units,
    subject_from_gemm,
)
from signbin.analysis.accelerators.cpu import CpuConfiguration
from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError
from signbin.plan import LayerPlan, Plan, Strategy
from signbin.plan.cost import Tile
from signbin.spec import ValueSet

SUBJECT = subject_from_gemm("8x6x40", 0.4, pattern="independent")


def test_defaults_fill_configuration_and_table():
    result = answer(EnergyRequest(SUBJECT)).estimate
    assert "model sigma, table stonne, configuration sigma-256-128" in result.label
    assert answer(EnergyRequest(SUBJECT, "cpu")).estimate.table.name == "horowitz-45nm"


def test_the_kinds_stand_side_by_side_on_the_same_shapes():
    document = json.loads(json.dumps(answer(EnergyRequest(SUBJECT, compare=True)).to_json()))
    assert list(document["kinds"]) == ["binary", "ternary", "signed_binary"]
    energies = [kind["energy"] for kind in document["kinds"].values()]
    assert energies == sorted(energies, reverse=True)


def test_a_kind_that_the_subject_has_is_the_subject_and_the_others_are_drawn():
    codes = np.ones((8, 40), np.int8)
    codes[:, :30] = 0
    own = LayerWorkload("own", 8, 40, codes=codes)
    result = answer(EnergyRequest(Subject("net", (own,)), compare=True))
    assert result.kinds["signed_binary"] is result.estimate
    assert result.kinds["signed_binary"].workload["density"] == 0.25
    assert result.kinds["ternary"].workload["density"] == pytest.approx(0.71, abs=0.1)


def test_kinds_of_a_product_are_drawn_as_the_product_is():
    result = answer(EnergyRequest(subject_from_gemm("16x6x80", 0.36), compare=True))
    assert "64 %" in result.kinds["signed_binary"].workload["zeros"]
    assert "29 %" in result.kinds["ternary"].workload["zeros"]
    assert result.kinds["binary"].workload["density"] == 1.0


def test_float_layers_stay_float_in_every_kind():
    layers = (LayerWorkload("head", 4, 9, value_set=ValueSet.FLOAT), *SUBJECT.layers)
    drawn = dataclasses.replace(SUBJECT, layers=layers, product=None).of_kind(ValueSet.BINARY, 1.0)
    assert [layer.value_set for layer in drawn] == [ValueSet.FLOAT, ValueSet.BINARY]


def test_the_cpu_runs_a_planned_subject_as_planned():
    entry = LayerPlan(
        SUBJECT.layers[0].name,
        *("conv2d", "signed_binary", 0.4, 1, Strategy.BUCKET),
        {"filters": 2, "vectors": 1, "chunk": 16},
        *("chosen: test", ()),
    )
    planned = dataclasses.replace(SUBJECT, plan=Plan("here", (entry,)), lanes=16)
    configuration = EnergyRequest(planned, "cpu").array.configuration
    assert isinstance(configuration, CpuConfiguration)
    assert configuration.tile(SUBJECT.layers[0].name) == Tile(2, 1, 16)
    assert configuration.lanes == 16
    assert EnergyRequest(planned, "cpu", "cpu-8").array.configuration.lanes == 8
    assert EnergyRequest(planned).array.configuration.name == "sigma-256-128"


def test_activation_densities_are_applied_and_reported():
    document = answer(EnergyRequest(SUBJECT, activation_density=0.5)).to_json()
    assert document["provenance"]["workload"]["activation_density"] == 0.5
    assert document["energy"] < answer(EnergyRequest(SUBJECT)).to_json()["energy"]


def test_the_density_asked_for_stands_beside_the_one_drawn():
    document = answer(EnergyRequest(subject_from_gemm("8x6x40", 0.36))).to_json()
    workload = document["provenance"]["workload"]
    (layer,) = subject_from_gemm("8x6x40", 0.36).layers
    assert workload["asked_density"] == 0.36
    assert workload["density"] == layer.drawn_density != 0.36


def test_readable_units_change_every_energy_by_the_same_factor():
    request = EnergyRequest(SUBJECT, table="horowitz-45nm", compare=True)
    document = answer(request).to_json()
    shown = in_readable_units(document)
    assert (document["unit"], shown["unit"]) == ("pJ", "nJ")
    pairs = [(document["energy"], shown["energy"])]
    pairs += zip(document["components"].values(), shown["components"].values(), strict=True)
    pairs += [(a["energy"], b["energy"]) for a, b in _layers(document, shown)]
    pairs += [(document["kinds"][k]["energy"], shown["kinds"][k]["energy"]) for k in shown["kinds"]]
    assert all(before == pytest.approx(1000 * after) for before, after in pairs)


def _layers(*documents):
    return zip(*(document["layers"] for document in documents), strict=True)


def test_relative_figures_stay_what_they_are():
    document = answer(EnergyRequest(SUBJECT)).to_json()
    assert in_readable_units(document) == document


def test_prices_quoted_from_memory_are_named_where_they_are_used():
    layers = list(SUBJECT.layers)
    cpu = estimate(layers, ProcessingArray("cpu"), "horowitz-45nm").to_json()["provenance"]
    sigma = estimate(layers, ProcessingArray("sigma"), "horowitz-45nm").to_json()["provenance"]
    assert "cache_l2.access" in cpu["unverified_prices"]
    assert sigma["unverified_prices"] == []


def test_accelergy_files_have_names_and_contents():
    files = answer(EnergyRequest(SUBJECT)).accelergy_files()
    assert set(files) == {"action_counts.yaml", "ERT.yaml"}
    assert all("system.multiplier" in text for text in files.values())


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"subject": Subject("nothing", ())}, "at least one"),
        ({"accelerator": "npu"}, "accelerator"),
        ({"configuration": "sigma-0-0"}, "bandwidth|multipliers"),
        ({"table": "nowhere"}, "energy table"),
        ({"activation_density": 0.0}, "activation_density"),
        ({"activation_density": {"conv9": 0.5}}, "conv9"),
        ({"dram": True}, r"dram\.read"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(fields, word):
    with pytest.raises(SpecError, match=word):
        answer(EnergyRequest(**{"subject": SUBJECT, **fields}))
