"""The examples run as they are written, are short, and stand in the documentation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signbin.train import load_dataset

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SHORT = (
    *("train_and_compile.py", "onnx_with_fallback.py", "one_bit_linear.py"),
    *("one_bit_network.py", "export_c.py", "score_images.py"),
)
MOST_LINES = 60


def run(folder: Path, name: str, *arguments: str) -> str:
    """What an example says when it is run in a folder."""
    told = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with digits.sbn, as the first example leaves it, and what that said."""
    folder = tmp_path_factory.mktemp("examples")
    return folder, run(folder, "train_and_compile.py", "digits.sbn", "2")


def test_a_network_is_trained_compiled_and_right_more_often_than_not(trained) -> None:
    folder, said = trained
    assert (folder / "digits.sbn").is_file()
    assert "signed_binary" in said
    assert float(said.rpartition("digits.sbn: ")[2].partition("%")[0]) > 80


def test_an_onnx_file_runs_with_two_engines(tmp_path: Path) -> None:
    said = run(tmp_path, "onnx_with_fallback.py")
    assert "onnxruntime" in said
    assert "small.sbn: outputs (2, 64)" in said
    again = run(tmp_path, "onnx_with_fallback.py", "small.onnx")
    assert "outputs (2, 64)" in again


def test_linear_layers_of_one_bit_take_their_place_in_a_model_of_pytorch(tmp_path: Path) -> None:
    said = run(tmp_path, "one_bit_linear.py")
    assert float(said.partition("float32: ")[2].split()[0]) < 1e-4
    sizes = [
        int(line.split(": ")[1].split()[0].replace(",", ""))
        for line in said.splitlines()
        if "state dict" in line
    ]
    assert sizes[0] > 20 * sizes[1]


def test_a_network_becomes_c_that_gives_the_same(trained) -> None:
    folder, _ = trained
    said = run(folder, "export_c.py", "digits.sbn", "firmware")
    assert "the C gives the outputs of the runtime: True" in said
    assert (folder / "firmware" / "src" / "digits.c").is_file()


def test_an_array_of_images_is_scored_row_by_row(trained) -> None:
    folder, _ = trained
    test = load_dataset("digits").test
    np.save(folder / "images.npy", test.pixels)
    said = run(folder, "score_images.py", "digits.sbn", "images.npy", "scores.csv")
    assert f"{len(test)} images" in said
    rows = (folder / "scores.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(len(test)))
    found = [int(row.split(",")[1]) for row in rows]
    assert np.mean(found == test.labels) > 0.8


def test_the_notebook_runs_from_its_first_cell_to_its_last() -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient: pip install '.[dev]'")
    nbformat = pytest.importorskip("nbformat", reason="nbclient: pip install '.[dev]'")
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    kept = [cell for cell in notebook.cells if cell.get("outputs")]
    assert not kept, "outputs are made, not kept"
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    said = "".join(str(cell.get("outputs")) for cell in notebook.cells)
    assert "test images are right" in said


def test_there_are_six_short_ones() -> None:
    assert len(SHORT) == 6  # one_bit_network.py runs in test_wide_resnet.py


@pytest.mark.parametrize("name", SHORT)
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < MOST_LINES


def test_every_example_is_on_the_page_of_examples() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    names = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith((".", "__"))}
    assert {name for name in names if f"examples/{name}" not in page} == set()
