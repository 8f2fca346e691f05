"""doctor: whether this machine and installation can do what signbin does."""

from __future__ import annotations

import dataclasses
import enum
import importlib.metadata
import importlib.util
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from signbin.errors import SignbinError
from signbin.ir import BATCH, Constant, ConstRef, Graph, Node, TensorType, Value, interpret
from signbin.plan import STRATEGIES, MachineCode, Strategy, Target
from signbin.spec import ActivationSpec, Kernel, LowBitWeight

__all__ = ["Check", "Status", "doctor"]

_OLDEST_PYTHON: Final = (3, 11)
_OLDEST_NUMPY: Final = (1, 26)
_EXTRAS: Final[Mapping[str, Mapping[str, str]]] = {
    "cli": {
        "typer": "typer",
        "rich": "rich",
        "jinja2": "Jinja2",
        "yaml": "PyYAML",
        "PIL": "pillow",
    },
    "train": {"torch": "torch", "sklearn": "scikit-learn", "safetensors": "safetensors"},
}
"""Extra -> module -> name of its distribution."""

_UNKNOWN: Final = "of unknown version"
_TOLERANCE: Final = 1e-5
_REINSTALL: Final = "install signbin again: pip install --force-reinstall --no-deps signbin"


class Status(enum.Enum):
    """How a check ended: fail means that signbin cannot run, warn that something is missing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it ended, what was found and what to do."""

    name: str
    status: Status
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """A JSON object of the four fields."""
        return {**dataclasses.asdict(self), "status": self.status.value}


def doctor() -> tuple[Check, ...]:
    """Look at Python, numpy, the native library and its kernels, the extras and the disk.

    The self-test runs one convolution with signed-binary weights and one with float weights
    through every kernel family this CPU can use and compares it with numpy. Packages of the
    extras are looked up, not imported. Never raises for what it finds.
    """
    checks = [_python(), _numpy(), _package(), *_native(), _temporary_folder()]
    return (*checks, *(_extra(name) for name in _EXTRAS))


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Check("python", Status.OK, found)
    return Check("python", Status.FAIL, found, "use Python 3.11 or newer")


def _numpy() -> Check:
    version = tuple(int(part) for part in np.__version__.split(".")[:2])
    if version >= _OLDEST_NUMPY:
        return Check("numpy", Status.OK, np.__version__)
    return Check("numpy", Status.FAIL, np.__version__, "pip install 'numpy>=1.26'")


def _package() -> Check:
    try:
        return Check("signbin", Status.OK, importlib.metadata.version("signbin"))
    except importlib.metadata.PackageNotFoundError:
        found = "runs from a source folder, not from an installed package"
        return Check("signbin", Status.WARN, found, "pip install -e . in that folder")


def _native() -> Iterator[Check]:
    try:
        from signbin import native  # noqa: PLC0415 - a broken library is a finding, not a crash

        version, kernels, cpu = native.version(), native.kernels(), native.cpu()
    except (ImportError, OSError, SignbinError) as error:
        yield Check("native library", Status.FAIL, f"cannot be loaded: {error}", _REINSTALL)
        return
    package = _version("signbin")
    if package in (version, _UNKNOWN):
        yield Check("native library", Status.OK, version)
    else:
        found = f"{version}, but the Python package is {package}"
        yield Check("native library", Status.FAIL, found, _REINSTALL)
    yield Check("cpu", Status.OK, "; ".join(f"{key}: {value}" for key, value in cpu.items()))
    yield _generation(Target.from_cpu(cpu).generation, kernels)
    for isa in dict.fromkeys(kernel.isa for kernel in kernels):
        yield from _isa(isa, [kernel for kernel in kernels if kernel.isa == isa])


def _generation(generation: MachineCode, kernels: Sequence[Kernel]) -> Check:
    """Whether walks may become machine code here."""
    name = "generated code"
    if generation is MachineCode.ON:
        return Check(name, Status.OK, "the system gives memory to run it from")
    if generation is MachineCode.UNMEASURED:
        found = "made where it is asked for (--jit): nobody has measured it on this processor"
        return Check(name, Status.OK, found)
    if not any(kernel.generated and kernel.usable for kernel in kernels):
        return Check(name, Status.OK, "not for this CPU")
    found = "the system gives no memory to run it from; bucket walks run as compiled, and slower"
    remedy = "allow memory that becomes executable (SELinux: execmem; systemd: a unit without "
    return Check(name, Status.WARN, found, f"{remedy}MemoryDenyWriteExecute)")


def _isa(isa: str, kernels: Sequence[Kernel]) -> Iterator[Check]:
    usable = [kernel for kernel in kernels if kernel.usable]
    found = f"{len(usable)} of {len(kernels)} usable"
    if not usable:
        yield Check(f"kernels {isa}", Status.OK, f"{found}: this CPU lacks {isa}")
        return
    yield Check(f"kernels {isa}", Status.OK, found)
    for rule in STRATEGIES:  # those that do not compete run only where forced
        if rule.competes and any(kernel.strategy == rule.family for kernel in usable):
            yield _self_test(isa, rule.strategy)


def _self_test(isa: str, strategy: Strategy) -> Check:
    """One small layer, compiled with forced kernels, against the numpy interpreter."""
    from signbin.artifact import Artifact  # noqa: PLC0415 - needs the native library
    from signbin.runtime import Program  # noqa: PLC0415

    name = f"self-test {isa} {strategy.value}"
    graph = _small_linear() if strategy is Strategy.TABLE else _small_graph(strategy)
    shape = (2, *graph.inputs[0].type.shape[1:])
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    expected = interpret(graph, {"x": image})["y"]
    try:
        actual = Program(Artifact(graph), isa=isa, strategy=strategy)(image)
    except SignbinError as error:
        return Check(name, Status.FAIL, str(error), "report this with the output of doctor --json")
    error_size = float(np.abs(actual - expected).max() / np.abs(expected).max())
    found = f"max relative error {error_size:.1e} against numpy, allowed {_TOLERANCE:.0e}"
    if error_size <= _TOLERANCE:
        return Check(name, Status.OK, found)
    return Check(name, Status.FAIL, found, "report this with the output of doctor --json")


def _small_graph(strategy: Strategy) -> Graph:
    generator = np.random.default_rng(1)
    weight: Constant = generator.standard_normal((8, 4, 3, 3), dtype=np.float32)
    if strategy is not Strategy.DENSE:
        sign = np.repeat(np.array([1, -1], np.int8), 4).reshape(8, 1, 1, 1)
        codes = (generator.random((8, 4, 3, 3)) < 0.4).astype(np.int8) * sign
        weight = LowBitWeight(codes, np.linspace(0.5, 1.5, 8, dtype=np.float32))
    attributes: dict[str, Any] = {"weight": ConstRef("weight"), "padding": (1, 1)}
    kind = TensorType("f32", (BATCH, 8, 6, 6))
    node = Node("y", "conv2d", ("x",), attributes, kind)
    given = Value("x", TensorType("f32", (BATCH, 4, 6, 6)))
    return Graph("self_test", (given,), (node,), ("y",), {"weight": weight})


def _small_linear() -> Graph:
    """40 filters of 70 inputs on codes, which tables serve: neither fills their vectors."""
    generator = np.random.default_rng(1)
    codes = generator.choice(np.array([-1, 1], np.int8), (40, 70))
    weight = LowBitWeight(codes, np.linspace(0.5, 1.5, 40, dtype=np.float32))
    given = Value("x", TensorType("f32", (BATCH, 70)))
    coded = TensorType("u8", (BATCH, 70), ActivationSpec(0.03125, 128, 8))
    nodes = (
        Node("q", "quantize", ("x",), {}, coded),
        Node("y", "linear", ("q",), {"weight": ConstRef("weight")}, TensorType("f32", (BATCH, 40))),
    )
    return Graph("self_test", (given,), nodes, ("y",), {"weight": weight})


def _temporary_folder() -> Check:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"signbin")
    except OSError as error:
        remedy = "free some space, or set TMPDIR to a folder you may write to"
        return Check("temporary folder", Status.WARN, f"cannot be written: {error}", remedy)
    return Check("temporary folder", Status.OK, "can be written")


def _extra(extra: str) -> Check:
    missing, versions = [], []
    for module, distribution in _EXTRAS[extra].items():
        if importlib.util.find_spec(module) is None:
            missing.append(distribution)
        else:
            versions.append(f"{distribution} {_version(distribution)}")
    if not missing:
        return Check(f"extra {extra}", Status.OK, ", ".join(versions))
    return Check(
        f"extra {extra}",
        Status.WARN,
        f"missing: {', '.join(missing)}",
        f"pip install 'signbin[{extra}]'",
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return _UNKNOWN
