"""Load a .sbn file and run it: arrays in, arrays out. Needs numpy and the native library."""

from signbin.runtime.images import decode_image, load_image
from signbin.runtime.program import Program, StepTime
from signbin.runtime.read import Samples, read_inputs, read_samples

__all__ = [
    "Program",
    "Samples",
    "StepTime",
    "decode_image",
    "load_image",
    "read_inputs",
    "read_samples",
]
