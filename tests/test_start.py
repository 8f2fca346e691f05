"""How long it takes until something begins: processor time, the least of some tries."""

import resource
import subprocess
import sys

TRIES = 4
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
    """User and system time of a Python process; least of some."""

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    found = []
    for _ in range(TRIES):
        before = spent()
        command = [sys.executable, *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found.append(spent() - before)
    return min(found)


def test_importing_signbin_takes_50_milliseconds_beside_numpy_at_most():
    numpy = processor_seconds("-c", "import numpy")
    assert processor_seconds("-c", "import numpy, signbin") - numpy <= 0.05


def test_help_takes_one_and_a_half_times_a_bare_typer_program_at_most():
    bare = processor_seconds("-c", BARE)
    assert processor_seconds("-m", "signbin", "--help") <= 1.5 * bare


def test_help_loads_neither_numpy_nor_torch():
    code = "import sys\nfrom signbin.cli import main\ntry:\n    main(['--help'])\nfinally:\n"
    code += "    assert not {'numpy', 'torch', 'starlette', 'ray', 'pyarrow'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0, done.stderr
