"""A page that recognises what is drawn on it: networks as WebAssembly, static files, no network.

    make page                             # python -m live_page build/page

Two networks on real images are exported to C, as for a microcontroller, and compiled for browsers:
open ``index.html`` from the folder, or put it on any server of files. What the page says of them is
counted when it is made; times are taken where it is shown.
"""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
"""The repository's folder."""
STATIC: Final = Path(__file__).parent / "static"
"""What of the page is written by hand."""
