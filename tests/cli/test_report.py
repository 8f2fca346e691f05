"""report: one page from runs, a model and a comparison."""

import json
from pathlib import Path

import pytest

from tests.patience import soon


def test_a_page_and_its_data_are_written(
    signbin, trained, compiled, compared, tmp_path: Path
) -> None:
    (tmp_path / "compare.json").write_text(compared.out, encoding="utf-8")
    page = tmp_path / "report.html"
    given = ("--model", compiled, "--comparison", tmp_path / "compare.json", "-o", page)
    result = signbin("report", trained, *given, "--json")
    assert result.code == 0, result.err
    assert result.document == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert result.document["models"][0]["path"] == str(compiled)
    assert result.document["comparison"]["samples"] == 20
    assert len(result.document["commands"]) >= 2
    text = page.read_text(encoding="utf-8")
    assert "signbin report" in text
    assert "<svg" in text


def test_a_report_without_a_model_says_not_given(signbin, trained, tmp_path: Path) -> None:
    result = signbin("report", trained, trained, "-o", tmp_path / "report.html")
    assert result.code == 0
    assert "a compiled model (MODEL.sbn)" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert result.out.count("signed_binary") == 2


def test_a_report_without_a_run_prints_no_empty_table(signbin, compiled, tmp_path: Path) -> None:
    result = signbin("report", compiled, "-o", tmp_path / "report.html")
    assert (result.code, result.out) == (0, "")


@pytest.mark.parametrize(
    ("option", "content"),
    [("--comparison", b"[]"), ("--comparison", b"{}"), ("--model", b"no model"), (None, b"")],
)
def test_broken_inputs_are_named_and_leave_nothing(
    signbin, trained, tmp_path: Path, option: str | None, content: bytes
) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(content)
    arguments = (trained, option, broken) if option else (broken,)
    result = signbin("report", *arguments, "-o", tmp_path / "report.html")
    assert result.code == 1
    assert result.out == ""
    assert "broken.bin" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.bin"]


def test_a_page_is_not_overwritten_unasked(signbin, trained, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("mine", encoding="utf-8")
    assert signbin("report", trained, "-o", page).code == 1
    assert page.read_text(encoding="utf-8") == "mine"
    assert signbin("report", trained, "-o", page, "--force").code == 0


def test_a_model_knows_what_each_layer_costs_and_which_latent_weights_count(
    signbin, trained, compiled, tmp_path: Path
) -> None:
    given = (trained, "--model", compiled, "--measure", "-o", tmp_path / "report.html", "--json")
    document = signbin("report", *given).document
    (model,) = document["models"]
    assert model["ms"] > 0
    assert model["ms_how"].startswith("measured on ")
    assert model["energy_uj"] == pytest.approx(sum(one["energy_uj"] for one in model["layers"]))
    for layer in model["layers"]:
        assert layer["ms"] > 0
        assert layer["additions"] > 0
        if layer["value_set"] == "signed_binary":
            assert sum(layer["patterns"]["counts"]) > 0
    (run,) = document["trainings"]
    density = {layer["module"]: layer["density"] for layer in model["layers"]}
    for layer in run["latent"]:
        shown = sum(layer["effectual"]) / sum(layer["all"])
        assert shown == pytest.approx(density[layer["layer"]])


def test_another_seeds_model_does_not_say_which_weights_count(
    signbin, trained, second, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    document = signbin("report", trained, "--model", second[0], "-o", page, "--json").document
    assert [layer["effectual"] for layer in document["trainings"][0]["latent"]] == [None] * 4


def test_models_stand_side_by_side(signbin, compiled, second, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = signbin("report", compiled, second[0], "-o", page)
    assert result.code == 0, result.err
    assert "Programs side by side" in page.read_text(encoding="utf-8")


def test_an_experiment_is_drawn_as_a_study(signbin, tmp_path: Path) -> None:
    runs = [
        {"run": name, "weights": "binary", "accuracy": share, "parameters": {"effectual": size}}
        for name, share, size in (("narrow", 0.8, 1000), ("wide", 0.9, 9000))
    ]
    (tmp_path / "results.json").write_text(json.dumps({"title": "Width", "runs": runs}), "utf-8")
    page = tmp_path / "report.html"
    result = signbin("report", "--study", tmp_path, "-o", page)
    assert result.code == 0, result.err
    assert "accuracy over non-zero weights" in page.read_text(encoding="utf-8")


def test_a_report_of_nothing_is_refused(signbin, tmp_path: Path) -> None:
    result = signbin("report", "-o", tmp_path / "report.html")
    assert result.code == 2
    assert "name runs, models or a study" in " ".join(result.err.split())


@pytest.mark.wide
def test_a_report_of_a_resnet18_that_was_trained_takes_five_seconds_of_a_processor(
    signbin, tmp_path: Path
) -> None:
    run, program, page = tmp_path / "run", tmp_path / "resnet18.sbn", tmp_path / "report.html"
    data = "data={name: generated, shape: [3, 32, 32], classes: 10, batch_size: 16}"
    given = ("--set", data, "--set", "model.name=resnet18", "--set", "threads=1", "--epochs", 1)
    assert signbin("train", "cifar10-resnet20", *given, "-o", run).code == 0
    assert signbin("compile", run, "-o", program).code == 0
    result = soon(
        lambda: signbin("report", run, "--model", program, "-o", page, "--force"), seconds=5
    )
    assert result.code == 0, result.err
    assert "layer4" in page.read_text(encoding="utf-8")
    assert page.stat().st_size < 500_000
