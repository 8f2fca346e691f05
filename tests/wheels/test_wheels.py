"""Wheels as users get them: what is in them, and programs compiled elsewhere with the same bits."""

import re
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import torch

import signbin
from signbin.calibrate import QuantizedActivations
from signbin.quant import QuantConfig, quantize_
from signbin.train.config import ModelConfig
from signbin.train.models import ImageTask, build_network
from tests.native.test_hardening import expect_hardened

RUN_PROGRAMS = Path(__file__).parents[1] / "arm" / "run_programs.py"


def test_a_wheel_holds_the_package_and_its_library_and_names_its_system(installed) -> None:
    assert re.search(r"-manylinux_2_\d+_(x86_64|aarch64)\.whl$", installed.wheel.name)
    with zipfile.ZipFile(installed.wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"signbin", "signbin-0.1.0.dist-info"}
    assert not [name for name in names if re.search(r"native/.*\.(cpp|h)$|\.pyc$", name)]
    assert [name for name in names if name.endswith(".so")] == [
        f"signbin/native/{installed.library.name}"
    ]
    assert "signbin/py.typed" in names


def test_its_library_is_hardened(installed) -> None:
    expect_hardened(installed.library)


def test_its_library_needs_what_every_such_system_has_and_no_folder_of_ours(installed) -> None:
    command = ["readelf", "-W", "-d", str(installed.library)]
    described = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", described))
    assert needed <= {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"} | {
        "ld-linux-aarch64.so.1"
    }
    assert not re.search(r"RPATH|RUNPATH|TEXTREL", described)
    assert str(Path.home()).encode() not in installed.library.read_bytes()


def test_a_program_compiled_here_has_the_same_bits_in_it_beside_numpy_alone(
    installed, tmp_path
) -> None:
    torch.manual_seed(7)
    network = build_network(ModelConfig("digits_resnet"), ImageTask(1, 8, 8, 10))
    quantize_(network, QuantConfig())
    images = torch.rand(3, 1, 8, 8)
    asked = QuantizedActivations(images.numpy())
    program = signbin.compile(network.eval(), (images[:1],), activations=asked)
    program.save(tmp_path / "digits.sbn")
    np.save(tmp_path / "digits.npy", images.numpy())
    ran = installed.run(str(RUN_PROGRAMS), str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    made = [*tmp_path.glob("digits-*.npy")]
    assert len(made) >= 2  # instruction sets, the scalar kernels among them
    for each in made:
        assert np.array_equal(np.load(each), program(images.numpy())), each.stem
    others = ("torch", "onnx", "typer", "yaml", "PIL")
    code = f"import importlib.util as u; print([n for n in {others} if u.find_spec(n)])"
    assert installed.run("-c", code).stdout.strip() == "[]"
