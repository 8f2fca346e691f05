"""Passes: rewrite a captured graph into the form that runs fastest.

``lower`` changes no value, nor does ``split_groups``, for networks that stay float32;
``quantize_activations``, where asked for, rounds them to codes, and ``dequantize_activations`` is
the way back.
"""

from signbin.passes.dequantize_activations import dequantize_activations
from signbin.passes.pipeline import PASSES, lower
from signbin.passes.quantize_activations import quantize_activations
from signbin.passes.split_groups import GROUP_SIZES, split_coded_groups, split_groups

__all__ = [
    "GROUP_SIZES",
    "PASSES",
    "dequantize_activations",
    "lower",
    "quantize_activations",
    "split_coded_groups",
    "split_groups",
]
