"""The tests of kernels against numpy and the scalar kernels, run on 64-bit ARM."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.arm
NATIVE = Path(__file__).parents[1] / "native"
# Those of kernels that ARM has of its own; they need no compiler and no other process, neither of
# which is there.
FILES = (
    "test_bitserial.py",
    "test_blend.py",
    "test_codes_direct.py",
    "test_codes_layers.py",
    "test_codes_products.py",
    "test_conv2d.py",
    "test_generated.py",
    "test_layout.py",
    "test_linear.py",
    "test_registry.py",
    "test_resample.py",
    "test_sums.py",
    "test_table.py",
)


@pytest.mark.parametrize("machine", ["max"], indirect=True)
@pytest.mark.parametrize("name", FILES)
def test_kernels_compute_on_arm_what_the_references_do(machine, name, tmp_path) -> None:
    options = ("-p", "no:cacheprovider", "--no-skips", f"--basetemp={tmp_path / 'there'}")
    ran = machine.run("-m", "pytest", *options, str(NATIVE / name))
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert re.search(r"\[100%\]", ran.stdout)
