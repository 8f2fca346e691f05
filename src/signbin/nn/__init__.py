"""Modules of PyTorch that run on packed low-bit weights, for inference on the CPU; needs torch."""

from signbin.nn.linear import Linear

__all__ = ["Linear"]
