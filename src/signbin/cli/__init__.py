"""The ``signbin`` command: one verb per task; the work is done in the rooms.

Results go to standard output, as tables or, with ``--json``, as exactly one JSON document;
progress, notes and errors go to standard error. Exit codes: 0 done, 1 an error or a gate that
was not met, 2 wrong usage. Verbs import what they need when they run, so that ``--help`` loads
neither numpy nor torch.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from signbin.errors import SignbinError

__all__ = ["main"]

_EXTRA_OF: Final = {
    **dict.fromkeys(("typer", "rich", "jinja2", "yaml", "PIL"), "cli"),
    **dict.fromkeys(("torch", "sklearn", "safetensors"), "train"),
    "onnx": "onnx",
    "onnxruntime": "fallback",
    "egglog": "qgym",
    "pyarrow": "predict",
    "ray": "ray",
    **dict.fromkeys(("starlette", "uvicorn", "h11", "prometheus_client"), "serve"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; arguments: those of the process where None."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if importlib.util.find_spec("typer") is None:
        _fail(f"the command line needs typer; {_install('cli')}")
    try:
        from signbin.cli.app import build_app  # needs typer

        called = next((word for word in given if not word.startswith("-")), "")
        build_app(called)(args=given, prog_name="signbin", obj=given)
    except SignbinError as error:
        sys.stderr.writelines(getattr(error, "__notes__", ()))
        _fail(str(error))
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this needs {error.name}, which is not installed; {_install(extra)}")
    except MemoryError as error:
        told = f": {error}" if str(error) else ""
        _fail(f"no memory is left{told}; try a smaller network or batch")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}{where}; check that the path exists and may be used")


def _install(extra: str) -> str:
    return f"run: pip install 'signbin[{extra}]'"


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(1)
