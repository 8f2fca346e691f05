"""Everything a run needs to continue as if it had never stopped, in one file."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from signbin.errors import ExecutionError, FormatError
from signbin.files import write_bytes

__all__ = ["DAMAGE", "read_checkpoint", "write_checkpoint"]

_VERSION: Final = 2
_ZIP: Final = b"PK\x03\x04"
# What torch's restricted unpickler and zip reader raise on bytes that nobody wrote.
DAMAGE: Final = (
    *(OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError),
    *(AttributeError, IndexError, KeyError, TypeError, OverflowError, MemoryError),
    *(AssertionError, struct.error),
)
"""What torch.load raises on bytes that nobody wrote."""
_KEYS: Final = frozenset(
    {
        *("version", "seed", "model", "average", "optimizer", "sampler", "rng", "metrics"),
        *("started", "epoch"),
    }
)
_ADDED: Final = frozenset({"budget"})  # only where there is a budget


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` atomically; where that fails, ExecutionError, and the old one is intact.

    Keys: seed; model, optimizer and sampler (state dicts); average (state dict or None); rng (the
    generators' states, one mapping per process); metrics (one mapping per finished epoch);
    started (what was measured before training, or None); epoch (the sums of an unfinished epoch,
    or None); budget, only where there is one (the densities decided, or None).
    Tensors, numbers, texts, lists, dicts only.
    """
    buffer = io.BytesIO()
    torch.save({"version": _VERSION, **state}, buffer)
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        kept = "the last one is intact" if path.is_file() else "there is none before it"
        raise ExecutionError(
            "checkpoint cannot be written",
            value=str(path),
            reason=str(error),
            allowed=kept,
            remedy=f"make room for {len(buffer.getvalue()):,} bytes and train with resume",
        ) from error


def _is_ours(version: object) -> bool:
    return type(version) is int and version == _VERSION


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`write_checkpoint` wrote, onto the CPU; never runs code from the file.

    FormatError, with the path, for a file that is missing, damaged or of another version.
    """
    try:
        content = path.read_bytes()
        # torch.load also reads an older format, with warnings; ours is always a zip archive.
        if not content.startswith(_ZIP):
            raise ValueError("not a zip archive")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FormatError("no checkpoint", value=str(path)) from error
    except DAMAGE as error:
        raise FormatError(
            "damaged checkpoint", value=str(path), remedy="delete it to train this seed again"
        ) from error
    keys = set(state) - _ADDED if isinstance(state, dict) else set()
    if not isinstance(state, dict) or keys != _KEYS or not _is_ours(state["version"]):
        raise FormatError(
            "not a checkpoint of a training run",
            value=str(path),
            allowed=f"version {_VERSION} with the keys {', '.join(sorted(_KEYS))}",
        )
    return state
