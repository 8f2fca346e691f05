"""Everything a run needs to continue as if it had never stopped, in one file."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from signbin.errors import FormatError
from signbin.files import write_bytes

__all__ = ["read_checkpoint", "write_checkpoint"]

_VERSION: Final = 1
_ZIP: Final = b"PK\x03\x04"
# What torch's restricted unpickler and zip reader raise on bytes that nobody wrote.
_DAMAGE: Final = (
    *(OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError),
    *(AttributeError, IndexError, KeyError, TypeError),
)
_KEYS: Final = frozenset({"version", "seed", "model", "optimizer", "sampler", "rng", "metrics"})


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` atomically.

    Keys: seed; model, optimizer and sampler (state dicts); rng (torch's global generator);
    metrics (one mapping per finished epoch). Tensors, numbers, texts, lists, dicts only.
    """
    buffer = io.BytesIO()
    torch.save({"version": _VERSION, **state}, buffer)
    write_bytes(path, buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`write_checkpoint` wrote; never runs code from the file.

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
    except _DAMAGE as error:
        raise FormatError(
            "damaged checkpoint", value=str(path), remedy="delete it to train this seed again"
        ) from error
    if not isinstance(state, dict) or set(state) != _KEYS or state["version"] != _VERSION:
        raise FormatError(
            "not a checkpoint of a training run",
            value=str(path),
            allowed=f"version {_VERSION} with the keys {', '.join(sorted(_KEYS))}",
        )
    return state
