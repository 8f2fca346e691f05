"""Tables of measurements say what the results hold."""

import json
from pathlib import Path

import pytest

from signbin.errors import FormatError

ENVIRONMENT = {"cpu": {"model": "Some CPU", "flags": ["avx2"]}, "native": {"signbin": "1.2.3"}}
AGREES = {"max_relative_error": 1.2e-6, "snr_db": 110.0, "top1_agreement": 1.0}
PEER = {
    "median_ms": 20.0,
    "min_ms": 18.0,
    "ratio": 2.041,
    "peak_bytes": 60_000_000,
    "isa": "avx512f",
    **AGREES,
}
LIMITED = {
    **PEER,
    "median_ms": 11.0,
    "min_ms": 9.9,
    "ratio": 1.1,
    "isa": "avx2",
    "isa_limit": "avx2",
    "max_relative_error": 0.1,
    "snr_db": 23.96,
    "top1_agreement": 0.8125,
    "preparation": {"name": "nncf", "medians_ms": {"nncf": 11.0, "qdq": 12.0}},
}
NETWORK = {
    "network": "resnet18",
    "weights": "signed_binary",
    "density": 0.35,
    "threads": 1,
    "batch": 1,
    "median_ms": 9.8,
    "min_ms": 9.0,
    "peak_bytes": 50_000_000,
    "isa": "avx2",
    **AGREES,
    "peers": {"onnxruntime": PEER, "openvino-int8": LIMITED},
}


def write(folder: Path, name: str, **sections) -> None:
    document = {
        "sections": {
            key: {"environment": ENVIRONMENT, "rows": rows} for key, rows in sections.items()
        }
    }
    (folder / name).write_text(json.dumps(document))


@pytest.mark.parametrize(
    "name",
    [
        *("networks", "kernels", "int8_layers", "linear_layers", "threads", "weight_kinds"),
        *("instructions", "table_layers"),
    ],
)
def test_rows_have_the_cells_of_their_head(script, name) -> None:
    """Of what is committed: cells of a table that begins with a head and a rule."""
    lines = script("tables").of_every_cpu(name).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("|---")]
    assert starts
    for start in starts:
        rows = [line.count("|") for line in lines[start - 1 :]]
        table = rows[: rows.index(0)] if 0 in rows else rows
        assert len(set(table)) == 1


def test_a_race_is_one_line_per_engine_fastest_peer_first(script, tmp_path: Path) -> None:
    write(tmp_path, "2026-01-02-some-cpu.json", networks=[NETWORK])
    lines = script("tables").of_every_cpu("networks", tmp_path).splitlines()
    assert lines[0] == "Some CPU (avx2), 2026-01-02, signbin 1.2.3:"
    assert lines[-3:] == [
        "| resnet18 | signed_binary, 0.35 | 1 | 1 | signbin | avx2 | 9.80 | | 9.00 | | 1.2e-06 "
        "| 100 % | 50.00 MB |",
        "| | | | | openvino-int8 | avx2 (limited), nncf | 11.0 | 1.10 | 9.90 | 1.10 "
        "| 24.0 dB | 81 % | 60.00 MB |",
        "| | | | | onnxruntime | avx512f | 20.0 | 2.04 | 18.0 | 2.00 | 1.2e-06 | 100 % "
        "| 60.00 MB |",
    ]


def test_ours_with_8_bit_activations_shows_what_is_left_of_the_float_network(
    script, tmp_path: Path
) -> None:
    left = {"max_relative_error": 0.2, "snr_db": 14.9, "top1_agreement": 0.75}
    coded = {**NETWORK, "activations": "u8", "max_relative_error": 0.0, "against_float": left}
    write(tmp_path, "2026-01-02-some-cpu.json", networks=[coded])
    text = script("tables").of_every_cpu("networks", tmp_path)
    assert "| signbin, u8 | avx2 | 9.80 | | 9.00 | | 14.9 dB | 75 % |" in text


def test_the_newest_results_of_each_cpu_count(script, tmp_path: Path) -> None:
    write(tmp_path, "2026-01-02-some-cpu.json", networks=[NETWORK])
    write(tmp_path, "2026-01-03-some-cpu.json", networks=[{**NETWORK, "network": "newer"}])
    write(tmp_path, "2026-01-01-other-cpu.json", networks=[{**NETWORK, "network": "elsewhere"}])
    write(tmp_path, "2026-01-04-some-cpu.json", kernels=[])
    text = script("tables").of_every_cpu("networks", tmp_path)
    assert "resnet18" not in text
    assert "newer" in text
    assert "elsewhere" in text


def test_an_unknown_table_is_an_error(script, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no_such"):
        script("tables").of_every_cpu("no_such", tmp_path)


def test_sections_of_one_file_do_not_disturb_each_other(script, tmp_path: Path) -> None:
    results = script("results")
    results.record("kernels", {"rows": [1]}, tmp_path)
    results.record("networks", {"rows": [2]}, tmp_path)
    path = results.record("kernels", {"rows": [3]}, tmp_path)
    sections = results.read(path)["sections"]
    assert sections["kernels"]["rows"] == [3]
    assert sections["networks"]["rows"] == [2]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_short_list_stands_on_one_line_and_every_text_is_kept(script, tmp_path: Path) -> None:
    results = script("results")
    rows = [["a [b], c\nd", 1.5, [1, 2]], ["x" * 100, None], [], {"k": [True, {"[": "]\n["}]}]
    path = results.record("kernels", {"rows": rows}, tmp_path)
    assert results.read(path)["sections"]["kernels"]["rows"] == rows
    assert '["a [b], c\\nd", 1.5, [1, 2]]' in path.read_text()


def test_layers_show_both_floors_and_what_a_call_of_the_peer_costs(script, tmp_path: Path) -> None:
    side = {"median_ms": 0.5, "floor_ms": 0.25, "gmacs_per_s": 12.3}
    row = {
        **side,
        "layer": "8->8 @4x4 3x3",
        "weights": "float",
        "density": 1.0,
        "strategy": "dense",
        "ratio": 1.5,
        "onednn": {**side, "median_ms": 0.75, "floor_ms": 0.3},
    }
    section = {"environment": ENVIRONMENT, "rows": [row], "onednn_call_ms": 0.012}
    document = {"sections": {"kernels": section}}
    (tmp_path / "2026-01-02-some-cpu.json").write_text(json.dumps(document))
    text = script("tables").of_every_cpu("kernels", tmp_path)
    assert "| 8->8 @4x4 3x3 | float | dense | 0.500 | 0.250 | 12 | 0.750 | 0.300 | 1.50 |" in text
    assert "takes 0.0120 ms" in text


def test_layers_of_codes_show_every_engine_and_the_ratio_to_the_fastest(
    script, tmp_path: Path
) -> None:
    side = {"median_ms": 0.5, "gmacs_per_s": 12.3}
    row = {
        **side,
        "layer": "8->8 @4x4 3x3",
        "weights": "signed_binary",
        "density": 0.35,
        "strategy": "bucket",
        "ratio": 1.5,
        "fastest": "onnxruntime",
        "engines": {"onnxruntime": {"median_ms": 0.75}, "another": {"median_ms": 0.8}},
    }
    write(tmp_path, "2026-01-02-some-cpu.json", int8_layers=[row])
    text = script("tables").of_every_cpu("int8_layers", tmp_path)
    head = "| layer | weights | strategy | ms | GMAC/s | another, ms | onnxruntime, ms | ratio |"
    line = "| 8->8 @4x4 3x3 | signed_binary, 0.35 | bucket | 0.500 | 12 | 0.800 | 0.750 | 1.50 |"
    assert head in text
    assert line in text


def test_what_does_not_compare_or_failed_is_in_the_table_and_not_in_the_headline(
    script, tmp_path: Path
) -> None:
    wider = {**PEER, "ratio": 0.5, "median_ms": 4.9, "not_comparable": "it has no switch"}
    row = {**NETWORK, "activations": "f32", "limit": "auto", "failures": {"mnn": "it ended"}}
    row["peers"] = {**NETWORK["peers"], "openvino": wider, "onnxruntime-int8": wider}
    write(tmp_path, "2026-01-02-some-cpu.json", networks=[row])
    table = script("tables").of_every_cpu("networks", tmp_path)
    assert table.count("not comparable") == 2
    assert "| mnn | failed |" in table
    headline = script("tables").of_every_cpu("headline", tmp_path)
    assert "openvino-int8, 11.0 ms" in headline
    assert "onnxruntime, 20.0 ms" in headline


def test_a_headline_is_a_network_at_its_best_beside_the_fastest_engine_of_each_kind(
    script, tmp_path: Path
) -> None:
    best = {**NETWORK, "activations": "f32", "limit": "auto"}
    slower = {**PEER, "median_ms": 30.0, "ratio": 3.0}
    best["peers"] = {"openvino": slower, **NETWORK["peers"], "onnxruntime-int8": slower}
    write(tmp_path, "2026-01-02-some-cpu.json", networks=[best, {**best, "limit": "avx2"}])
    lines = script("tables").of_every_cpu("headline", tmp_path).splitlines()
    assert lines[4:] == [
        "| resnet18, signed_binary, 0.35 | fp32 | 9.80 | openvino-int8, 11.0 ms | 1.10 "
        "| onnxruntime, 20.0 ms | 2.04 | 1.2e-06, 100 % | 24.0 dB, 81 % |"
    ]


def layer_of(filters: int, strategy: str, trained: tuple, shuffled: tuple) -> dict:
    kinds = {"trained": trained, "shuffled": shuffled}
    names = ("ms", "load_adds_millions", "inputs_millions", "p0")
    rows = {
        kind: {"strategy": strategy, **dict(zip(names, numbers, strict=True))}
        for kind, numbers in kinds.items()
    }
    return {"layer": "x", "filters": filters, **rows}


def test_what_the_example_found_about_images_is_kept_without_its_times(
    script, tmp_path: Path
) -> None:
    found = {
        "weights": "trained",
        "images": 10000,
        "accuracy": {"float": 0.9625, "int8": 0.9628},
        "top1_agreement": 0.998,
        "output_snr_db": 50.7,
        "isa": "avx2",
    }
    printed, results = tmp_path / "found.json", tmp_path / "results"
    printed.write_text(json.dumps({**found, "ms_per_image": {"float": 46.2}}))
    options = ["x.npz", "--classified", str(printed), "--results", str(results)]
    assert script("wide_resnet").main(options) == 0
    (section,) = script("results").newest("wide_resnet_accuracy", results)
    assert found.items() <= section.items()
    assert "ms_per_image" not in section
    lines = script("tables").of_every_cpu("wide_resnet_accuracy", results).splitlines()
    assert lines[-1] == "| 10,000 | 96.25 % | 96.28 % | 99.80 % | 50.7 dB |"
    printed.write_text("{}")
    with pytest.raises(FormatError, match=r"found\.json.*examples/wide_resnet\.py --json"):
        script("wide_resnet").main(options)


def test_a_trained_network_stands_beside_its_shuffled_self_stage_by_stage(
    script, tmp_path: Path
) -> None:
    section = {
        "environment": ENVIRONMENT,
        "rows": [NETWORK],
        "shuffled_over_trained": {"ratio": 1.0374, "ratio_low": 0.98, "ratio_high": 1.1},
        "layers": [
            layer_of(160, "bucket", (1.0, 10.0, 20.0, 0.1), (2.0, 12.0, 20.0, 0.0)),
            layer_of(160, "bucket", (3.0, 20.5, 60.0, 0.02), (2.5, 21.0, 60.0, 0.01)),
            layer_of(640, "bucket", (5.0, 7.0, 8.0, 0.5), (6.0, 8.0, 8.0, 0.25)),
            layer_of(10, "dense", (9.0, 9.0, 9.0, 0.9), (9.0, 9.0, 9.0, 0.9)),
        ],
    }
    document = {"sections": {"wide_resnet": section}}
    (tmp_path / "2026-01-02-some-cpu.json").write_text(json.dumps(document))
    lines = script("tables").of_every_cpu("wide_resnet", tmp_path).splitlines()
    assert "takes 1.037 (0.980 to 1.100) times as long" in "\n".join(lines)
    assert lines[-2:] == [
        "| 160 | 2 | 4.00 | 30.5 | 4.0 % | 4.50 | 33.0 | 0.8 % |",
        "| 640 | 1 | 5.00 | 7.0 | 50.0 % | 6.00 | 8.0 | 25.0 % |",
    ]
