"""One target in Python under atheris: ``python -m reliability.fuzz.run_python onnx [-runs=9 ..]``.

A slice of :mod:`reliability.fuzz.slices` is a process of this. With ``planted`` before the options
of libFuzzer, the target's bug is put into it first.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final
from unittest import mock

from reliability import ROOT
from reliability.fuzz.target import MOST_MEMORY, MOST_SECONDS, PythonTarget
from signbin.errors import SignbinError

__all__ = ["OverBudgetError", "checked", "planted"]

_KIB: Final = 1024


class OverBudgetError(Exception):
    """An execution took more time or memory than anything that small may."""


def checked(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """``read``, with our errors for an answer; OverBudgetError where it took too much."""

    def one(data: bytes) -> None:
        start, before = time.process_time(), _peak_mib()
        with contextlib.suppress(SignbinError):
            read(data)
        took, more = time.process_time() - start, _peak_mib() - before
        if took > MOST_SECONDS or more > MOST_MEMORY:
            raise OverBudgetError(f"{took:.1f} seconds, {more} MiB")

    return one


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KIB


@contextlib.contextmanager
def planted(target: PythonTarget) -> Iterator[None]:
    """While it lasts, the target's bug is there."""
    module, _, name = target.plant_place.partition(":")
    place = importlib.import_module(module)
    with mock.patch.object(place, name, target.plant(getattr(place, name))):
        yield


class _Sources(importlib.abc.MetaPathFinder):
    """Finds the Python files of signbin in src."""

    def find_spec(
        self, fullname: str, _path: Any, _target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """None for what is no file of signbin."""
        if fullname.partition(".")[0] != "signbin":
            return None
        folder = ROOT.joinpath("src", *fullname.split(".")[:-1])
        return importlib.machinery.PathFinder.find_spec(fullname, [str(folder)])


def main() -> None:
    """Fuzz until something is found or libFuzzer's options say that it is enough."""
    import atheris  # noqa: PLC0415 - of the extra fuzz, and it prints as it is loaded

    name, arguments = sys.argv[1], sys.argv[2:]
    warnings.simplefilter("ignore")  # of files that nobody wrote; what matters is raised
    with atheris.instrument_imports(include=["signbin", "PIL"]):
        # Before the finder of an editable install, whose loaders cannot be instrumented.
        sys.meta_path.sort(key=lambda finder: "Atheris" not in type(finder).__name__)
        sys.meta_path.insert(1, _Sources())
        from reliability.fuzz.readers import PYTHON_TARGETS  # noqa: PLC0415
        from reliability.fuzz.seeds import SEEDS  # noqa: PLC0415

        target = PYTHON_TARGETS[name]
        for seed in SEEDS[name]():  # what is imported on first use is imported here
            with contextlib.suppress(SignbinError):
                target.read(seed)
    with contextlib.ExitStack() as stack:
        if arguments[:1] == ["planted"]:
            stack.enter_context(planted(target))
            arguments = arguments[1:]
        atheris.Setup([sys.argv[0], *arguments], checked(target.read))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
