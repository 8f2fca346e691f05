"""Modules of PyTorch that run on packed low-bit weights, for inference on the CPU; needs torch."""

from signbin.nn.conv2d import Conv2d, ConvolutionWindow
from signbin.nn.linear import Linear
from signbin.nn.program import ProgramModule

__all__ = ["Conv2d", "ConvolutionWindow", "Linear", "ProgramModule"]
