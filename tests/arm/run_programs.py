"""Runs on the ARM side: every NAME.sbn of a folder on its NAME.npy, once per instruction set.

    python run_programs.py FOLDER

Writes NAME-ISA.npy, and prints the kernels that ran, one a line: NAME ISA KERNEL. The
scalar kernels, which take long, run small networks.
"""

import sys
from pathlib import Path

import numpy as np

from signbin import native
from signbin.runtime import Program


def main(folder: Path) -> None:
    usable = {kernel.isa for kernel in native.kernels() if kernel.usable}
    for path in sorted(folder.glob("*.sbn")):
        images = np.load(path.with_suffix(".npy"))
        isas = usable if path.stem.startswith("digits") else usable - {"scalar"}
        for isa in sorted(isas | {native.resolve_isa("auto")}):
            program = Program.load(path, isa=isa, threads=2)
            np.save(path.with_name(f"{path.stem}-{isa}.npy"), program(images))
            for kernel in sorted(set(program.kernels.values())):
                print(path.stem, isa, kernel)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
