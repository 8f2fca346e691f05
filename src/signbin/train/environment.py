"""What a run was made with: versions and machine, for its summary."""

from __future__ import annotations

import importlib.metadata
from typing import Final

import torch

from signbin.environment import environment

__all__ = ["describe_environment"]

_PACKAGES: Final = ("scikit-learn", "safetensors")


def describe_environment(threads: int, device: torch.device | None = None) -> dict[str, str]:
    """Versions of Python and of what training uses, system, CPU, threads and GPU, as texts."""
    machine = environment()
    versions = {**machine["versions"], **{name: _version(name) for name in _PACKAGES}}
    return {
        **{name: str(version) for name, version in versions.items()},
        "system": str(machine["system"]),
        "cpu": f"{machine['cpu']['model'] or 'unknown'} ({machine['cpu']['architecture']})",
        "threads": str(threads),
        **({"gpu": torch.cuda.get_device_name(device)} if device and device.type == "cuda" else {}),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
