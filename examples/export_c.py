"""A compiled network as C99 for a microcontroller, compiled and called here first.

python examples/train_and_compile.py digits.sbn
python examples/export_c.py digits.sbn firmware
"""

import sys
from pathlib import Path

import signbin
from signbin.c_source import CompiledNetwork, DeviceBudget
from signbin.train import load_dataset
from signbin.verbs.compile import quantize_program
from signbin.verbs.export_c import CRequest, export_c

FLASH, RAM = 64 * 1024, 48 * 1024


def main(model: str, folder: str) -> None:
    """Activations become 8-bit codes; then the export checks itself against signbin's runtime."""
    data = load_dataset("digits")
    program = signbin.Program.load(model)
    samples = data.train.pixels[:256].astype("float32") / 255  # as the model was trained
    coded = quantize_program(program, signbin.QuantizedActivations(samples))
    request = CRequest(name="digits", budget=DeviceBudget(FLASH, RAM), overwrite=True)
    made = export_c(coded.artifact, Path(folder), request)
    print(f"{made.folder}: flash {made.flash_bytes:,} bytes, memory {made.ram_bytes:,}")
    sources = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in Path(folder).glob("src/*")
    }
    compiled = CompiledNetwork(sources, made.name, outputs=10)
    images = data.test.pixels.astype("float32") / 255
    same = (compiled(images) == coded(images)).all()
    right = (compiled(images).argmax(1) == data.test.labels).mean()
    print(f"the C gives the outputs of the runtime: {same}; {right:.1%} of test images are right")


if __name__ == "__main__":
    main(*sys.argv[1:3])
