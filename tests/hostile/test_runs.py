"""A run folder from a stranger shows nothing of the machine that reports on it."""

import json

import numpy as np
import pytest

from signbin import QuantizedActivations
from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.ir import BATCH, TensorType, Value
from signbin.report.runs import read_training
from signbin.runtime.inputs import as_batch

SUMMARY = {"recipe": "digits", "weights": "binary", "seeds": [0], "test_accuracy": {"per_seed": []}}


@pytest.mark.parametrize("name", ["summary.json", "config.yaml", "seed-0/metrics.jsonl", "seed-0"])
def test_a_report_follows_no_link_out_of_its_run(tmp_path, name):
    outside, run = tmp_path / "outside", tmp_path / "run"
    (outside / "seed-0").mkdir(parents=True)
    (run / "seed-0").mkdir(parents=True)
    for folder in (outside, run):
        (folder / "summary.json").write_text(json.dumps(SUMMARY))
        (folder / "config.yaml").write_text("secret: 1\n")
        (folder / "seed-0" / "metrics.jsonl").write_text('{"epoch": 1}\n')
    read_training(run)
    if name == "seed-0":
        (run / name / "metrics.jsonl").unlink()
        (run / name).rmdir()
    else:
        (run / name).unlink()
    (run / name).symlink_to(outside / name)
    with pytest.raises(FormatError, match="a link out of the run folder"):
        read_training(run)


def test_a_run_behind_a_link_is_read(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(json.dumps(SUMMARY))
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    assert read_training(tmp_path / "latest").recipe == "digits"


def test_numbers_that_are_masked_are_not_taken_for_numbers():
    masked = np.ma.masked_array(np.zeros((1, 3), np.float32), mask=[[0, 1, 0]])
    with pytest.raises(ExecutionError, match=r"a masked array.*\.filled"):
        as_batch(masked, Value("x", TensorType("f32", (BATCH, 3))))
    with pytest.raises(SpecError, match="a masked array"):
        QuantizedActivations(masked)
