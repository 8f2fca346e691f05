"""Linear layers of one bit per weight in a model of PyTorch, which stays a model of PyTorch.

python examples/one_bit_linear.py
"""

import copy
import io

import torch
from torch import nn

import signbin.nn
from signbin.quant import Binary, QuantConfig, quantize_


def transformer_block(width: int) -> nn.Module:
    """What is compiled stays a part of what is not."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
    )


def main(width: int = 256) -> None:
    """Make the weights one bit, put signbin's layers in place, compare."""
    torch.manual_seed(0)
    model = transformer_block(width).eval()
    quantize_(model, QuantConfig(weight=Binary()), keep_first_and_last=False)
    packed = copy.deepcopy(model)
    for name, layer in model.named_children():
        if isinstance(layer, nn.Linear):
            setattr(packed, name, signbin.nn.Linear.from_linear(layer))
    print(packed)
    tokens = torch.randn(2, 16, width)
    with torch.no_grad():
        theirs, ours = model(tokens), packed(tokens)
    error = (ours - theirs).abs().max() / theirs.abs().max()
    print(f"largest difference from PyTorch's float32: {error:.1e} of the largest output")
    for kind, each in (("float32", model), ("1-bit", packed)):
        file = io.BytesIO()
        torch.save(each.state_dict(), file)
        print(f"{kind} state dict: {len(file.getvalue()):,} bytes")


if __name__ == "__main__":
    main()
