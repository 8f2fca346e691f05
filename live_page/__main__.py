"""python -m live_page FOLDER: train, compile, export, and write the page."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from live_page.folder import page_files
from live_page.subjects import clothes, digits
from signbin.errors import SignbinError, SpecError
from signbin.files import write_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where something is missing, in words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="made anew, whole or not at all")
    parser.add_argument("--run", type=Path, help="run folder of the digits; else one is trained")
    options = parser.parse_args(arguments)
    try:
        expect_page(options.folder)
        with tempfile.TemporaryDirectory(prefix="signbin-page-") as folder:
            subjects = (digits(options.run, Path(folder)), clothes())
            files = page_files(subjects)
        write_folder(options.folder, files)
    except (SignbinError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"wrote {options.folder / 'index.html'}: open it in a browser\n")
    return 0


def expect_page(folder: Path) -> None:
    """Asked before any work: SpecError for a folder that holds anything but an earlier page."""
    if not folder.resolve().parent.is_dir():
        raise SpecError(
            "folder of the page", value=str(folder), allowed="one in a folder that is there"
        )
    if folder.exists() and not (folder / "networks.js").is_file():
        raise SpecError(
            "folder of the page",
            value=str(folder),
            allowed="a new one, or that of an earlier page",
            remedy="nothing else is ever replaced: name another",
        )


if __name__ == "__main__":
    sys.exit(main())
