"""energy: an estimate whose every figure says how it was made."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from signbin import artifact
from signbin.runtime import Program

SHAPES = "small 8 4 6 6 3 3 1 1 1\nlarge 16 8 6 6 3 3 2 1 1\n"


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    path = tmp_path / "shapes.txt"
    path.write_text(SHAPES)
    return path


def test_a_matrix_product_meets_the_simulators_figures(signbin) -> None:
    """STONNE's own run: 7,283 cycles, energy 188,105 (64 % sparsity, 256 multipliers, 128)."""
    arguments = ("--accelerator", "sigma", "--config", "sigma-256-128", "--json")
    document = signbin("energy", "--gemm", "64x49x576", "--density", 0.36, *arguments).document
    assert document["cycles"] == 7283
    assert round(document["energy"]) == pytest.approx(188_105, abs=1)
    assert {"cycles", "energy", "unit", "layers", "components", "provenance"} <= set(document)
    assert document["unit"] == "relative"
    assert document["provenance"]["workload"]["asked_density"] == 0.36


@pytest.mark.parametrize("config", ["sigma-64-64", "sigma-128-64", "sigma-512-32", "sigma-8-1"])
def test_every_size_of_array_needs_a_name_and_no_file(signbin, config: str) -> None:
    document = signbin("energy", "--gemm", "9x5x70", "--config", config, "--json").document
    configuration = document["provenance"]["configuration"]
    assert configuration["name"] == config
    assert f"{configuration['multipliers']}-{configuration['bandwidth']}" in config


def test_a_density_is_honoured_and_the_one_drawn_is_said(signbin) -> None:
    whole = signbin("energy", "--gemm", "64x4x576", "--density", 0.36)
    assert "density 0.353 drawn, 0.36 asked for" in whole.out
    assert "STONNE" in whole.out
    exact = signbin("energy", "--gemm", "64x4x576", "--density", 0.36, "--pattern", "independent")
    assert "drawn independently" in exact.out
    odd = signbin("energy", "--gemm", "64x4x576", "--density", 0.3571, "--json").document
    assert odd["provenance"]["workload"]["density"] == pytest.approx(0.3571, abs=0.01)


def test_density_one_has_no_zeros(signbin) -> None:
    document = signbin("energy", "--gemm", "8x6x40", "--density", 1, "--json").document
    assert document["provenance"]["workload"]["density"] == 1.0
    (layer,) = document["layers"]
    assert layer["actions"]["multiplier.multiply"] == 8 * 6 * 40


def test_a_model_is_estimated_from_the_weights_it_holds(signbin, compiled) -> None:
    result = signbin("energy", compiled, "--config", "sigma-256-128", "--json")
    assert result.code == 0
    document = result.document
    graph = artifact.read(compiled).graph
    names = {node.name for node in graph.nodes}
    assert {layer["name"] for layer in document["layers"]} <= names
    assert document["energy"] == pytest.approx(sum(one["energy"] for one in document["layers"]))
    assert document["provenance"]["workload"]["value_sets"] == ["signed_binary"]
    assert document["provenance"]["label"] == "estimated"
    assert document["provenance"]["workload"]["left_out"]  # first and last stay float


def test_layers_with_float_weights_are_named_or_counted(signbin, compiled) -> None:
    some = signbin("energy", compiled)
    assert "not counted, float weights:" in some.out
    every = signbin("energy", compiled, "--all-layers", "--json").document
    assert every["provenance"]["workload"]["left_out"] == []
    assert "float" in every["provenance"]["workload"]["value_sets"]


RELU_NETWORK = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False)]
    for layer in (layers[0], layers[2]):
        codes = (torch.rand_like(layer.weight) < 0.5).float()
        codes[::2] *= -1
        layer.weight = nn.Parameter(codes)
    return nn.Sequential(*layers), (torch.zeros(1, 1, 8, 8),)
"""


def test_real_samples_say_how_many_inputs_are_zero(signbin, tmp_path) -> None:
    (tmp_path / "relu.py").write_text(RELU_NETWORK)
    model, folder = tmp_path / "relu.sbn", tmp_path / "samples"
    assert signbin("compile", f"{tmp_path}/relu.py:make", "-o", model).code == 0
    folder.mkdir()
    samples = np.random.default_rng(0).standard_normal((20, 1, 8, 8), dtype=np.float32)
    np.save(folder / "samples.npy", samples)
    program = Program.load(model)
    first = program.graph.nodes[0].name
    share = np.count_nonzero(program.trace(samples)[first]) / (20 * 4 * 6 * 6)
    dense = signbin("energy", model, "--json").document
    for given in (folder / "samples.npy", folder):
        document = signbin("energy", model, "--samples", given, "--json").document
        density = document["provenance"]["workload"]["activation_density"]
        assert density == pytest.approx((1 + share) / 2)
        assert document["energy"] < dense["energy"]
        assert document["cycles"] == dense["cycles"]  # this array does not skip them


def test_one_density_can_be_set_for_all_activations(signbin, compiled) -> None:
    document = signbin("energy", compiled, "--activation-density", 0.5, "--json").document
    assert document["provenance"]["workload"]["activation_density"] == 0.5


def test_the_cpu_runs_the_layers_as_planned(signbin, compiled) -> None:
    result = signbin("energy", compiled, "--accelerator", "cpu", "--json")
    provenance = result.document["provenance"]
    assert "planned for" in provenance["configuration"]["name"]
    assert provenance["table"] == "horowitz-45nm"
    assert "cache_l2.access" in provenance["unverified_prices"]


def test_kinds_stand_side_by_side_in_table_json_and_picture(signbin, shapes, tmp_path) -> None:
    picture = tmp_path / "energy.svg"
    arguments = ("energy", shapes, "--compare", "--table", "horowitz-45nm")
    result = signbin(*arguments, "-o", picture)
    assert result.code == 0
    assert all(kind in result.out for kind in ("binary", "ternary", "signed_binary"))
    root = ElementTree.fromstring(picture.read_text())
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"binary", "ternary", "signed-binary", "energy, nJ"} <= set(words)
    kinds = signbin(*arguments, "--json").document["kinds"]
    assert kinds["binary"]["energy"] > kinds["signed_binary"]["energy"]
    assert kinds["binary"]["unit"] == "pJ"


def test_a_sweep_lists_every_point_with_progress_on_standard_error(signbin, shapes) -> None:
    axes = ("--sweep", "density=0.3,0.6", "--sweep", "multipliers=32,64 bandwidth=32")
    result = signbin("energy", shapes, *axes, "--json")
    assert result.code == 0
    assert "10/10" in result.err
    points = result.document["points"]
    assert len(points) == 2 * (1 + 2 * 2)
    assert {point["configuration"] for point in points} == {"sigma-32-32", "sigma-64-32"}
    assert all(point["label"].startswith("estimated (model sigma") for point in points)
    assert "sigma-64-32" in signbin("energy", shapes, *axes).out


def test_memory_outside_the_chip_is_counted_when_asked_and_always_said(signbin, shapes) -> None:
    arguments = ("energy", shapes, "--table", "sparseloop-45nm", "--json")
    without, counted = signbin(*arguments).document, signbin(*arguments, "--dram").document
    assert without["provenance"]["dram"] == "not counted"
    assert counted["provenance"]["dram"] == "counted"
    assert counted["energy"] == pytest.approx(without["energy"] + counted["components"]["dram"])


def test_accelergy_files_reproduce_the_energy(signbin, shapes, tmp_path) -> None:
    folder = tmp_path / "accelergy"
    document = signbin("energy", shapes, "--accelergy", folder, "--json").document
    counts = yaml.safe_load((folder / "action_counts.yaml").read_text())["action_counts"]["local"]
    table = yaml.safe_load((folder / "ERT.yaml").read_text())["ERT"]["tables"]
    prices = {
        (part["name"], act["name"]): act["energy"] for part in table for act in part["actions"]
    }
    energy = sum(
        act["counts"] * prices[part["name"], act["name"]]
        for part in counts
        for act in part["action_counts"]
    )
    assert energy == pytest.approx(document["energy"])


def test_a_measurement_is_a_figure_or_a_reason_never_a_zero(signbin, compiled, images) -> None:
    document = signbin("energy", compiled, "--samples", images, "--measure", "--json").document
    measured = document["measured"]
    if measured["label"] == "measured":
        assert measured["energy_per_image"] > 0
    else:
        assert measured["label"] == "unavailable"
        assert measured["reason"]
        assert "energy" not in measured


def test_a_configuration_and_a_table_of_ones_own_are_files(signbin, tmp_path) -> None:
    array, table = tmp_path / "mine.toml", tmp_path / "prices.toml"
    array.write_text("multipliers = 32\nbandwidth = 8\n")
    row = '[[row]]\naction = "{}"\nvalue = 1\nunit = "pJ"\nnode = "45 nm"\nsource = "a test"\n'
    priced = signbin("energy", "--gemm", "4x4x30", "--json").document["layers"][0]["actions"]
    head = 'title = "mine"\nunit = "pJ"\nelement_bits = 8\n'
    table.write_text(head + "".join(row.format(action) for action in priced))
    result = signbin("energy", "--gemm", "4x4x30", "--config", array, "--table", table, "--json")
    document = result.document
    assert document["energy"] == pytest.approx(sum(document["layers"][0]["actions"].values()))
    assert document["provenance"]["configuration"]["name"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "one of them"),
        (("model.sbn", "--gemm", "4x4x4"), "one of them"),
        (("model.sbn", "--density", 0.5), "--density"),
        (("model.sbn", "--pattern", "stonne"), "--pattern"),
        (("--gemm", "64x49"), "MxNxK"),
        (("--gemm", "0x4x4"), "MxNxK"),
        (("--gemm", "9999999x4x9999999"), "weights of"),
        (("--gemm", "4x4x4", "--density", 0), "density of"),
        (("--gemm", "4x4x4", "--density", "nan"), "density of"),
        (("--gemm", "4x4x4", "--density", 1.5), "density of"),
        (("--gemm", "4x4x4", "--pattern", "stripes"), "auto, independent, stonne"),
        (("--gemm", "4x4x4", "--accelerator", "npu"), "sigma, maeri, systolic"),
        (("--gemm", "4x4x4", "--table", "free"), "horowitz-45nm"),
        (("--gemm", "4x4x4", "--config", "sigma-64-0"), "bandwidth"),
        (("--gemm", "4x4x4", "--config", "sigma-0-1"), "multipliers"),
        (("--gemm", "4x4x4", "--config", "tpu"), "sigma-<multipliers>-<bandwidth>"),
        (("--gemm", "4x4x4", "--dram"), "no price for"),
        (("--gemm", "4x4x4", "--activation-density", 0), "activation_density"),
        (("--gemm", "4x4x4", "--samples", "x.npy"), "--samples"),
        (("--gemm", "4x4x4", "--all-layers"), "--all-layers"),
        (("--gemm", "4x4x4", "--measure"), "--measure"),
        (("--gemm", "4x4x4", "-o", "energy.png"), ".svg"),
        (("--gemm", "4x4x4", "--sweep", "density"), "AXIS=VALUE"),
        (("--gemm", "4x4x4", "--sweep", "rows=3"), "multipliers, bandwidth"),
        (("--gemm", "4x4x4", "--sweep", "density=0.5", "--compare"), "--compare"),
        (("no-such-shapes.txt",), "no-such-shapes.txt"),
        (("no-such-model.sbn",), "no-such-model.sbn"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(signbin, arguments, word: str) -> None:
    result = signbin("energy", *arguments)
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert word in result.err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("multipliers = 64\nbandwidth = 32\nbuffer_bytes = 100\n", "buffer_bytes is smaller"),
        ("multipliers = 64\nbandwidth = 32\nflux = 1\n", "flux"),
        ("multipliers = 64\n", "bandwidth"),
    ],
)
def test_bad_configuration_files_are_refused_by_name(signbin, tmp_path, text, word) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    result = signbin("energy", "--gemm", "4x4x300", "--config", path)
    assert result.code == 1
    assert "mine" in result.err
    assert word in result.err


def test_an_unknown_component_in_a_table_is_refused_by_name(signbin, tmp_path) -> None:
    path = tmp_path / "prices.toml"
    row = '[[row]]\naction = "flux.add"\nvalue = 1\nunit = "pJ"\nnode = "45 nm"\nsource = "none"\n'
    path.write_text('title = "mine"\nunit = "pJ"\nelement_bits = 8\n' + row)
    result = signbin("energy", "--gemm", "4x4x4", "--table", path)
    assert result.code == 1
    assert "unknown component: got 'flux'" in result.err


def test_files_are_not_overwritten_unasked(signbin, tmp_path) -> None:
    picture = tmp_path / "energy.svg"
    picture.write_text("mine")
    refused = signbin("energy", "--gemm", "4x4x4", "-o", picture)
    assert refused.code == 1
    assert picture.read_text() == "mine"
    assert signbin("energy", "--gemm", "4x4x4", "-o", picture, "--force").code == 0
    assert picture.read_text().startswith("<svg")
