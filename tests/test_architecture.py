"""The rooms and who may import whom; sizes; examples in docstrings that run."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "signbin"
NATIVE = Path(__file__).parents[1] / "native"

GROUND = {"environment", "errors", "files", "noise_images", "spec", "version"}
# room -> rooms it may import (itself and the ground always), in the order of the data
MAY_IMPORT = {
    **{name: set() for name in GROUND},
    "native": set(),
    "quant": set(),
    "train": {"quant"},
    "ir": set(),
    "capture": {"ir", "quant"},
    "passes": {"ir"},
    "calibrate": {"ir"},
    "layout": {"ir"},
    "sums": {"native"},
    "plan": {"ir", "sums"},
    "artifact": {"ir", "plan"},
    "runtime": {"artifact", "ir", "layout", "native", "plan", "sums"},
    "tune": {"artifact", "ir", "native", "plan", "runtime"},
    "measure": {"runtime"},  # our own engine is a peer like every other one
    "analysis": {"ir", "plan", "sums"},
    "diagnose": {"artifact", "ir", "native", "plan", "runtime"},
    "interop": {"ir"},
    "report": set(),
    "verbs": {
        *("analysis", "artifact", "calibrate", "capture", "diagnose", "interop", "ir", "measure"),
        *("native", "passes", "plan", "runtime", "train", "tune"),
    },
    "cli": {
        *("artifact", "diagnose", "measure", "plan", "report", "runtime", "train", "tune", "verbs"),
    },
    "__main__": {"cli"},
    "": {"calibrate", "runtime", "tune", "verbs"},
}
MAY_IMPORT_TORCH = {"quant", "train", "capture", "verbs"}
THIRD_PARTY = {
    "numpy": set(MAY_IMPORT),
    "torch": MAY_IMPORT_TORCH,
    "safetensors": {"train"},
    "sklearn": {"train"},
    "scipy": {"train"},
    "wandb": {"train"},
    "yaml": {"train", "cli", "report"},
    "onnx": {"interop"},
    "egglog": {"sums"},  # only where equality saturation is asked for
    # Peers: only in the files their workers load.
    **{name: {"measure"} for name in ("onnxruntime", "openvino", "nncf", "MNN", "_tools")},
    "rich": {"cli", "train", "report"},
    "typer": {"cli"},
    "click": {"cli"},
    "jinja2": {"report"},
    "PIL": {"runtime", "train"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            names.add(node.module or "")
            if node.module == "signbin":
                names.remove("signbin")
                names.update(
                    f"signbin.{a.name}"
                    if (PACKAGE / a.name).exists() or (PACKAGE / f"{a.name}.py").exists()
                    else "signbin"
                    for a in node.names
                )
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_the_rooms_it_may(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_IMPORT, f"{room} is a room the matrix does not know"
    for name in imported_modules(path):
        if name == "signbin" or name.startswith("signbin."):
            other = name.partition(".")[2].partition(".")[0]
            allowed = MAY_IMPORT[room] | GROUND | {room}
            assert other in allowed, f"{path}: {room or 'signbin'} may not import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_the_packages_it_may(path: Path) -> None:
    for name in imported_modules(path):
        top = name.partition(".")[0]
        if top in {"signbin", ""} or top in sys.stdlib_module_names:
            continue
        assert top in THIRD_PARTY, f"{path}: {top} is not a dependency of signbin"
        assert room_of(path) in THIRD_PARTY[top], f"{path}: {room_of(path)} may not import {top}"


EXAMPLES = [path for path in FILES if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_examples_in_docstrings_are_true(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0, f"{path}: its examples stand in no docstring"
    assert result.failed == 0


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_importing_signbin_loads_neither_numpy_nor_torch() -> None:
    assert (
        run_python(
            "import signbin, sys; print([m for m in ('numpy', 'torch') if m in sys.modules])"
        )
        == "[]"
    )


def test_running_a_model_never_loads_torch() -> None:
    loaded = run_python(
        "import sys, signbin; signbin.Program; import signbin.diagnose, signbin.report,"
        " signbin.verbs.compile; print([m for m in ('torch', 'typer', 'yaml', 'PIL') if m in"
        " sys.modules])"
    )
    assert loaded == "[]"


def test_every_public_name_exists() -> None:
    import signbin

    assert sorted(signbin.__all__) == sorted(set(signbin.__all__))
    for name in signbin.__all__:
        assert getattr(signbin, name) is not None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_python_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_functions_stay_small(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_c_files_stay_small() -> None:
    for path in sorted([*NATIVE.rglob("*.c"), *NATIVE.rglob("*.h")]):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_the_c_library_never_aborts_prints_or_exits() -> None:
    for path in sorted((NATIVE / "src").rglob("*.[ch]")):
        text = path.read_text(encoding="utf-8")
        for word in ("abort(", "exit(", "printf(", "assert("):
            assert word not in text.replace("snprintf(", "").replace("static_assert(", "").replace(
                "_Static_assert(", ""
            ), f"{path} calls {word})"
