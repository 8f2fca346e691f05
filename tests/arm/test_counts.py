"""The recorded counts of instructions are those of the kernels as they are."""

import json
from pathlib import Path

import pytest

from benchmarks.arm import __main__ as counting
from benchmarks.arm import page

pytestmark = pytest.mark.arm


@pytest.mark.parametrize("machine", ["max"], indirect=True)
def test_a_recorded_count_is_counted_again(machine, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(counting, "_LAYERS", ("layer1.0.conv1",))
    monkeypatch.setattr(counting, "_WAYS", (("bucket", "neon", False),))
    (row,) = counting.count([*counting.layers()], tmp_path)
    recorded = json.loads(page.RESULT.read_text(encoding="utf-8"))["rows"]
    (known,) = (
        one
        for one in recorded
        if (one["subject"], one["strategy"], one["isa"], one["jit"])
        == ("layer1.0.conv1", "bucket", "neon", False)
    )
    assert row["instructions"] == pytest.approx(known["instructions"], rel=0.05)
