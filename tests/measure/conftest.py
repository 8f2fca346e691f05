"""What an engine is told to do."""

from pathlib import Path

import numpy as np
import pytest

from signbin.measure import Assignment


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    import os

    np.save(tmp_path / "images.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    core = max(os.sched_getaffinity(0))
    return Assignment(
        model=tmp_path / "model",
        images=tmp_path / "images.npy",
        output=tmp_path / "output.npy",
        threads=1,
        cores=(core,),
        options={"isa": "auto"},
    )
