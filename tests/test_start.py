"""How long it takes until something begins: processor time, the least of some tries."""

import resource
import subprocess
import sys

TRIES = 6
BARE = """
import typer
app = typer.Typer()
@app.command()
def one(number: int = 1) -> None: "One."
@app.command()
def two(number: int = 1) -> None: "Two."
app(["--help"])
"""


def processor_seconds(*arguments):
    """User and system time of a Python process."""

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return spent() - before


def least_of_both(first, second):
    """The least time of each, taken in turns: what else the machine does meets both alike."""
    turns = [(processor_seconds(*first), processor_seconds(*second)) for _ in range(TRIES)]
    return tuple(map(min, zip(*turns, strict=True)))


def test_importing_signbin_takes_50_milliseconds_beside_numpy_at_most():
    numpy, both = least_of_both(("-c", "import numpy"), ("-c", "import numpy, signbin"))
    assert both - numpy <= 0.05


def test_help_takes_one_and_a_half_times_a_bare_typer_program_at_most():
    bare, ours = least_of_both(("-c", BARE), ("-m", "signbin", "--help"))
    assert ours <= 1.5 * bare


def test_help_loads_neither_numpy_nor_torch():
    code = "import sys\nfrom signbin.cli import main\ntry:\n    main(['--help'])\nfinally:\n"
    code += "    assert not {'numpy', 'torch', 'starlette', 'ray', 'pyarrow'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0, done.stderr
