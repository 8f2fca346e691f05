"""A real network through every room, by the command line, as a user would."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import signbin
from signbin.cli import main
from signbin.train import load_dataset, write_test_images

pytestmark = pytest.mark.e2e


def signbin_command(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "signbin", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with run/ (one seed, four epochs) and digits.sbn."""
    folder = tmp_path_factory.mktemp("walk")
    signbin_command("train", "digits", "--seeds", 0, "--epochs", 4, "-o", folder / "run", "--json")
    # The command in this process, which has imported PyTorch already.
    with pytest.raises(SystemExit, match="0"):
        main(["compile", str(folder / "run"), "-o", str(folder / "digits.sbn")])
    return folder


def test_a_signed_binary_network_learns_digits(walk: Path) -> None:
    summary = json.loads((walk / "run" / "summary.json").read_text())
    assert summary["test_accuracy"]["mean"] > 0.9
    assert summary["weights"] == "signed_binary"


def test_the_compiled_network_computes_what_pytorch_does(walk: Path, capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["compare", str(walk / "run"), str(walk / "digits.sbn"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["samples"] >= 300
    assert found["top1_agreement"] == 1.0
    assert found["max_relative_error"] <= 1e-4
    assert all((layer["compiled_error"] or 0) <= 1e-4 for layer in found["layers"])


def test_every_quantised_layer_runs_as_a_bucket_walk(walk: Path) -> None:
    plan = signbin.Program.load(walk / "digits.sbn").plan
    low_bit = [layer for layer in plan.layers if layer.value_set == "signed_binary"]
    assert len(low_bit) == 4
    assert {layer.strategy.value for layer in low_bit} == {"bucket"}


def test_running_needs_neither_torch_nor_anything_but_numpy(walk: Path) -> None:
    code = f"""
import sys
for name in ("torch", "typer", "rich", "yaml", "PIL", "jinja2", "sklearn", "safetensors"):
    sys.modules[name] = None
import numpy, signbin
program = signbin.Program.load({str(walk / "digits.sbn")!r})
print(program(numpy.zeros((3, 1, 8, 8), numpy.float32)).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(3, 10)"


def test_images_are_classified_with_the_stored_preprocessing_and_names(walk: Path) -> None:
    files = write_test_images(walk / "images", 20, load_dataset("digits"))
    assert len(files) == 20
    found = json.loads(signbin_command("run", walk / "digits.sbn", *files, "--json"))
    right = sum(
        Path(prediction["input"]).stem.startswith(prediction["top"][0]["class"] + "-")
        for prediction in found["predictions"]
    )
    assert right >= 17


def test_one_program_serves_several_threads_and_any_batch(walk: Path) -> None:
    program = signbin.Program.load(walk / "digits.sbn")
    images = np.random.default_rng(0).normal(size=(37, 1, 8, 8)).astype(np.float32)
    expected = program(images)
    with ThreadPoolExecutor(8) as pool:
        for scores in pool.map(program, [images] * 32):
            assert np.array_equal(scores, expected)
    singly = np.concatenate([program(images[i : i + 1]) for i in range(37)])
    np.testing.assert_allclose(singly, expected, rtol=1e-5, atol=1e-5)


def test_scalar_and_portable_kernels_agree(walk: Path) -> None:
    images = np.random.default_rng(1).normal(size=(5, 1, 8, 8)).astype(np.float32)
    scores = {
        isa: signbin.Program.load(walk / "digits.sbn", isa=isa)(images)
        for isa in ("scalar", "portable")
    }
    scale = np.abs(scores["scalar"]).max()
    assert np.abs(scores["scalar"] - scores["portable"]).max() <= 1e-4 * scale


def test_a_report_is_one_file_that_needs_no_network(walk: Path) -> None:
    signbin_command(
        "report", walk / "run", "--model", walk / "digits.sbn", "-o", walk / "report.html"
    )
    page = (walk / "report.html").read_text()
    assert "signed_binary" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "https://" not in page


def test_a_truncated_model_is_refused_and_nothing_is_written(walk: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.sbn"
    broken.write_bytes((walk / "digits.sbn").read_bytes()[:-7])
    signbin_command("run", broken, walk / "digits.sbn", "-o", tmp_path / "out.npy", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.sbn"]
