"""Write requirements.lock: every package that `make install` brings, with the hashes of its files.

    make lock      # python packaging/lock.py

From pyproject.toml (extras dev and docs), packaging/lock.in and constraints.txt, for every Python
and processor that signbin is built for. Its first lines hold a digest of these: a test compares it,
and needs no network. PyTorch is left out (docs/decisions says why), and no index is named.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

__all__ = ["LOCK", "UNHASHED", "digest"]

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements.lock"
INPUT: Final = ROOT / "packaging" / "lock.in"
UNHASHED: Final = ("torch",)
"""Packages without a hash, which `make install` takes from constraints.txt after the others."""
_EXTRAS: Final = ("dev", "docs")


def digest() -> str:
    """SHA-256 of what the lock is made from."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)
    asked = {
        "requires": project["build-system"]["requires"],
        "dependencies": project["project"]["dependencies"],
        "extras": project["project"]["optional-dependencies"],
        "python": project["project"]["requires-python"],
        "input": INPUT.read_text(encoding="utf-8"),
        "constraints": (ROOT / "constraints.txt").read_text(encoding="utf-8"),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def resolved() -> str:
    """What uv finds, a line per package and hash."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as left_out:
        left_out.writelines(f"{name} ; sys_platform == 'never'\n" for name in UNHASHED)
        left_out.flush()
        command = [
            sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
            "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate",
            "--no-emit-index-url", "--no-emit-find-links", "--override", left_out.name,
            "--constraints", str(ROOT / "constraints.txt"),
            *(word for name in UNHASHED for word in ("--no-emit-package", name)),
            *(word for name in _EXTRAS for word in ("--extra", name)),
            str(ROOT / "pyproject.toml"), str(INPUT),
        ]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Write it; CalledProcessError where packages cannot be had or do not go together."""
    lines = [
        "# Made by `make lock`; the digest is of what it is made from.",
        f"# sha256:{digest()}",
    ]
    LOCK.write_text("\n".join(lines) + "\n" + resolved(), encoding="utf-8")
    sys.stdout.write(f"wrote {LOCK.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
