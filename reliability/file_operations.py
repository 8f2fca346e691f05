"""What signbin does with files while they fail: commands as they are typed, and saving and loading.

All files lie in one folder, made anew for every fault: what a command reads, and what stood where
it writes, from an earlier time.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from reliability.fault_library import Kind
from reliability.injection import Found, Operation, in_child
from reliability.same_bits import random_networks
from signbin.artifact import Artifact
from signbin.cli import main
from signbin.errors import SignbinError
from signbin.runtime import Program
from signbin.serve.models import ServedModel

__all__ = ["Workshop", "file_operations", "library_operations", "run_command"]

_KINDS: Final = (
    *(Kind.OPEN, Kind.READ, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.CLOSE, Kind.REMOVE),
    *(Kind.LOCK, Kind.FOLDER),
)
_SMALL: Final = {
    "data.name": "generated",
    "data.classes": 4,
    "data.shape": "[1,8,8]",
    "data.batch_size": 8,
    "model.width": 4,
    "batch_norm_images": 16,
}
_EXPERIMENT: Final = """
title: Small
question: Which one?
recipe: digits
chart: accuracy
scales:
  smoke: {epochs: 1, seeds: [0]}
runs:
  ours: {}
  theirs: {weights: binary}
"""
_TIMES: Final = ("seconds", "train_seconds", "epoch_seconds", "fastest_epoch_seconds")


def run_command(*arguments: object) -> None:
    """A command in this process. SignbinError where it exits with 1 and one line that says why.

    AssertionError for any other end than that, or 0.
    """
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = ended.code
    except BaseException as error:
        raise AssertionError(f"a traceback: {type(error).__name__}: {error}") from error
    else:
        code = 0
    if code in (0, None):
        return
    lines = err.getvalue().splitlines()
    told = [line for line in lines if line.startswith("error: ")]
    if code != 1 or len(told) != 1 or lines[-1:] != told:
        raise AssertionError(f"exit code {code}, said: {lines[-3:]}")
    raise SignbinError(told[0])


class Workshop:
    """The folder, and the files that commands begin with: made once, copied for every fault."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.made = self.root / "made"
        self.place = self.root / "place"

    def furnish_in_child(self, *, trained: bool = True) -> None:
        """:meth:`furnish` or :meth:`furnish_untrained`, leaving this process as it was."""

        def furnished() -> Found:
            if trained:
                self.furnish()
            else:
                self.furnish_untrained()
            return Found(0, "done", ())

        found = in_child(furnished, "furnishing", seconds=600)
        if found.injected:
            raise RuntimeError(f"files to begin with: {found}")

    def furnish(self) -> None:
        """Train, compile and pack two networks; what the first makes is old, the second new."""
        self._open()
        for name, seed in (("old", 0), ("new", 1)):
            self._train(name, seed)
            run_command("compile", self.made / name, "-o", self.made / f"{name}.sbn")
            run_command("pack", self.made / name, "-o", self.made / f"{name}.safetensors")
        images = np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype(np.float32)
        np.save(self.made / "x.npy", images)
        (self.made / "small.yaml").write_text(_EXPERIMENT)

    def furnish_untrained(self) -> None:
        """Two compiled networks of random weights, in a moment."""
        self._open()
        for name, seed in (("old", 2), ("new", 4)):
            graph = random_networks().random_quantized_network(seed)
            Program(Artifact(graph)).save(self.made / f"{name}.sbn")
            extents = graph.inputs[0].type.shape[1:]
            np.save(self.made / "x.npy", np.ones((2, *extents), np.float32))

    def _open(self) -> None:
        self.made.mkdir(parents=True)

    def _train(self, name: str, seed: int) -> None:
        run_command(
            *("train", "digits", "-o", self.made / name, "--epochs", 1, "--seeds", seed), *small()
        )

    def lay_out(self, old: Mapping[str, str]) -> None:
        """The folder as it is before a command; old: name of a target -> file that stands there."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.made, self.place)
        for target, source in old.items():
            shutil.copyfile(self.made / source, self.place / target)

    def parts(self) -> list[str]:
        """Temporary files."""
        return sorted(path.name for path in self.place.rglob("*.part*"))


def small() -> Iterator[str]:
    """Options of a training that takes a moment."""
    for key, value in _SMALL.items():
        yield from ("--set", f"{key}={value}")


def file_operations(shop: Workshop) -> Iterator[Operation]:
    """What programs do with files by themselves; every verb that writes some, the quick first."""
    yield from library_operations(shop)
    place = shop.place
    compiled = {"net.sbn": "old.sbn"}
    packed = {"net.safetensors": "old.safetensors", "net.md": "old.md"}
    for name, written, arguments in (
        ("run", {"y.npy": "x.npy"}, ("new.sbn", "x.npy", "-o", "y.npy")),
        ("pack", packed, ("new", "-o", "net.safetensors")),
        ("export", {"net.onnx": "old.sbn"}, ("new.sbn", "-o", "net.onnx")),
        ("compile", compiled, ("new", "-o", "net.sbn")),
    ):
        paths = [word if word.startswith("-") else place / word for word in arguments]
        yield _writing(shop, name, functools.partial(run_command, name, *paths, "--force"), written)
    yield _resuming(shop, "predict", lambda: _predict(place))
    yield _resuming(shop, "train", lambda: _train(place))
    yield _resuming(shop, "experiment", lambda: _experiment(place))


def library_operations(shop: Workshop) -> Iterator[Operation]:
    """What needs no command."""
    place = shop.place
    yield _writing(shop, "save", lambda: _save(place), {"net.sbn": "old.sbn"})
    yield Operation("load", _KINDS, lambda: shop.lay_out({}), lambda _: _load(place))
    yield _reloading(shop)


def _writing(
    shop: Workshop, name: str, write: Callable[[], None], old: Mapping[str, str]
) -> Operation:
    """A verb that replaces files: after a fault each is old or new, compared once there is one."""
    before = {target: (shop.made / source).read_bytes() for target, source in old.items()}
    after_fault: dict[str, bytes] = {}

    def act(_prepared: None) -> bytes:
        write()
        found = {target: (shop.place / target).read_bytes() for target in old}
        for target, content in after_fault.items():
            if content not in (before[target], found[target]):
                raise AssertionError(f"{target} was neither old nor new")
        if shop.parts():
            raise AssertionError(f"left: {shop.parts()}")
        return b"".join(found.values())

    def look() -> list[str]:
        after_fault.update({target: (shop.place / target).read_bytes() for target in old})
        return []

    return Operation(name, _KINDS, lambda: shop.lay_out(old), act, look, foreign_threads=True)


def _resuming(shop: Workshop, name: str, act: Callable[[], bytes]) -> Operation:
    """A verb that goes on where it stopped."""

    def whole(_prepared: None) -> bytes:
        result = act()
        if shop.parts():
            raise AssertionError(f"left: {shop.parts()}")
        return result

    return Operation(name, _KINDS, lambda: shop.lay_out({}), whole, foreign_threads=True)


def _reloading(shop: Workshop) -> Operation:
    """A server's model whose file becomes another: the old one answers until the new one does."""
    path = shop.place / "net.sbn"

    def prepare() -> ServedModel:
        shop.lay_out({"net.sbn": "old.sbn"})
        model = ServedModel("net", path)
        shutil.copyfile(shop.made / "new.sbn", shop.place / "next.sbn")
        (shop.place / "next.sbn").replace(path)
        return model

    def act(model: ServedModel) -> bytes:
        before = _answer(model)
        try:
            model.reload()
        except (SignbinError, MemoryError, OSError):
            if _answer(model) != before:
                raise AssertionError("another answer, though the file was not read") from None
            raise
        return _answer(model)

    # Not mappings: without machine code the sums of floats may end in other bits.
    return Operation("reload", (*_KINDS, Kind.ALLOCATION), prepare, act)


def _answer(model: ServedModel) -> bytes:
    opened = model.opened
    given = {
        each.name: np.ones((2, *(8 if extent < 0 else extent for extent in each.shape)), np.float32)
        for each in opened.inputs
    }
    return b"".join(np.asarray(each).tobytes() for each in opened.run(given))


def _save(place: Path) -> None:
    Program.load(place / "new.sbn").save(place / "net.sbn", overwrite=True)


def _load(place: Path) -> bytes:
    return np.asarray(Program.load(place / "new.sbn")(np.load(place / "x.npy"))).tobytes()


def _train(place: Path) -> bytes:
    out = place / "run"
    go_on = ["--resume"] if (out / "config.yaml").exists() else []
    run_command("train", "digits", "-o", out, "--epochs", 2, "--seeds", 5, *small(), *go_on)
    seed = out / "seed-5"
    return (seed / "model.safetensors").read_bytes() + without_times(seed / "metrics.jsonl")


def _experiment(place: Path) -> bytes:
    out = place / "runs"
    run_command("experiment", place / "small.yaml", "-o", out, *small())
    weights = [path.read_bytes() for path in sorted(out.rglob("model.safetensors"))]
    return b"".join(weights) + without_times(out / "smoke" / "results.json")


def _predict(place: Path) -> bytes:
    out = place / "out"
    arguments = (place / "new.sbn", place / "x.npy", "-o", out, "--part-rows", 2)
    run_command("predict", *arguments)
    return b"".join(path.read_bytes() for path in sorted(out.iterdir()))


def without_times(path: Path) -> bytes:
    """JSON, a document or one a line, without what no two runs share."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    return json.dumps([_timeless(json.loads(line)) for line in lines], sort_keys=True).encode()


def _timeless(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _timeless(value) for key, value in document.items() if key not in _TIMES}
    return [_timeless(item) for item in document] if isinstance(document, list) else document
