"""How long it takes until something begins: processor time, the least of some tries."""

import math
import resource
import subprocess
import sys

import pytest

TRIES = 40
BARE = """
import typer
app = typer.Typer()
@app.command()
def one(number: int = 1) -> None: "One."
@app.command()
def two(number: int = 1) -> None: "Two."
app(["--help"])
"""


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """A cache of byte code that can be written, as an installed package has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("byte_code")))
        yield


def processor_seconds(*arguments):
    """User and system time of a Python process."""

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return spent() - before


def least_of_both(first, second, within):
    """The least time of each, taken in turns until ``within(*both)`` holds: see patience.py."""
    least = (math.inf, math.inf)
    for _ in range(TRIES):
        turn = processor_seconds(*first), processor_seconds(*second)
        least = tuple(map(min, zip(least, turn, strict=True)))
        if within(*least):
            break
    return least


def test_importing_signbin_takes_50_milliseconds_beside_numpy_at_most():
    def within(numpy, both):
        return both - numpy <= 0.05

    least = least_of_both(("-c", "import numpy"), ("-c", "import numpy, signbin"), within)
    assert within(*least), least


def test_help_takes_one_and_a_half_times_a_bare_typer_program_at_most():
    def within(bare, ours):
        return ours <= 1.5 * bare

    least = least_of_both(("-c", BARE), ("-m", "signbin", "--help"), within)
    assert within(*least), least


def test_help_loads_neither_numpy_nor_torch():
    code = "import sys\nfrom signbin.cli import main\ntry:\n    main(['--help'])\nfinally:\n"
    code += "    assert not {'numpy', 'torch', 'starlette', 'ray', 'pyarrow'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0, done.stderr
