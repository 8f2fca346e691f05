import io
from xml.etree import ElementTree

import pytest
from rich.console import Console

from signbin.report.energy_chart import energy_picture, energy_svg, estimate_label
from signbin.report.energy_table import energy_view


def document(scale, unit="pJ"):
    components = {"adder": 3.0 * scale, "global_buffer": 1.0 * scale}
    return {
        "cycles": 1000 * scale,
        "energy": 4.0 * scale,
        "unit": unit,
        "components": components,
        "layers": [
            {
                "name": "conv1",
                "cycles": 1000 * scale,
                "energy": 4.0 * scale,
                "components": components,
            }
        ],
        "provenance": {
            "label": "estimated",
            "model": "sigma",
            "table": "stonne",
            "configuration": {"name": "sigma-256-128"},
            "dram": "not counted",
            "unverified_prices": [],
            "workload": {
                "name": "net",
                "density": 0.353,
                "asked_density": 0.36,
                "activation_density": 1.0,
                "zeros": "drawn independently, seed 0",
                "left_out": [],
            },
        },
    }


def shown(view):
    console = Console(file=io.StringIO(), width=200)
    console.print(view)
    return console.file.getvalue()


def test_the_text_shows_layers_components_total_and_where_it_comes_from():
    text = shown(energy_view(document(1)))
    assert "conv1" in text
    assert "adder" in text
    assert "75.0 %" in text
    assert "total: 4 pJ, 1,000 cycles" in text
    assert estimate_label(document(1)) in text
    assert "density 0.353 drawn, 0.36 asked for" in text


def test_what_was_left_out_measured_or_quoted_from_memory_is_said():
    told = document(1)
    told["provenance"]["workload"]["left_out"] = ["stem"]
    told["provenance"]["unverified_prices"] = ["dram.read"]
    told["measured"] = {"label": "unavailable", "reason": "no RAPL zones"}
    text = shown(energy_view(told))
    assert "not counted, float weights: stem" in text
    assert "quoted from memory: dram.read" in text
    assert "measured: unavailable (no RAPL zones)" in text
    quiet = shown(energy_view(document(1)))
    assert not any(word in quiet for word in ("not counted, float", "memory:", "measured"))


def test_a_measured_figure_stands_beside_the_estimate_with_its_source():
    told = document(1)
    meter = {"energy_per_image": 0.25, "unit": "J", "images": 8, "source": "RAPL"}
    text = shown(energy_view({**told, "measured": {"label": "measured", **meter}}))
    assert "measured: 0.25 J for one image" in text
    assert "RAPL" in text


def test_kinds_stand_in_one_table_and_one_picture():
    told = {**document(1), "kinds": {"binary": document(2), "signed_binary": document(1)}}
    assert "2.00" in shown(energy_view(told))
    texts = words_of(energy_picture(told))
    assert {"binary", "signed-binary", "density 0.353", "2.00x less"} <= set(texts)


def test_large_relative_figures_are_scaled_on_the_axis():
    texts = words_of(energy_svg([("a", document(50_000_000, "relative"))], "Energy"))
    assert "energy, relative, millions" in texts
    assert "200 millions" in texts
    assert "200" in texts


def words_of(picture):
    root = ElementTree.fromstring(picture)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_is_well_formed_and_labels_the_ratio_to_the_first_bar():
    picture = energy_svg([("binary", document(2)), ("signed-binary", document(1))], "Energy & <us>")
    texts = words_of(picture)
    assert "8" in texts  # the first bar's own energy
    assert "2.00x less" in texts
    assert "energy, pJ" in texts
    assert any("estimated (model sigma, table stonne" in (text or "") for text in texts)


def test_bar_heights_are_in_proportion_to_the_energy():
    picture = energy_svg([("binary", document(2)), ("ours", document(1))], "Energy")
    heights = [
        float(element.attrib["height"])
        for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}rect")
        if list(element)
    ]
    assert sum(heights[:2]) == pytest.approx(2 * sum(heights[2:]), rel=1e-3)
    assert heights[0] == pytest.approx(3 * heights[1], rel=1e-3)


def test_bars_that_do_not_compare_are_refused():
    with pytest.raises(ValueError, match="one unit"):
        energy_svg([("a", document(1)), ("b", document(1, "relative"))], "Energy")
