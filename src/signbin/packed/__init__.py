"""One linear layer by itself: low-bit weights, packed once, on arrays; nothing is compiled."""

from signbin.packed.layer import ACTIVATIONS, PackedLinear, as_low_bit, linear, pack_linear

__all__ = ["ACTIVATIONS", "PackedLinear", "as_low_bit", "linear", "pack_linear"]
