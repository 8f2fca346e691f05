"""Lists of shared sums: every way of the literature to add up low-bit filters, as one form.

sums = wanted_sums(weight)                          # what a layer's filters sum
made = PairMerging(16, 64).build(sums.digits)       # SumMerge; a frozen SumList
made.additions, made.evaluate(inputs)
"""

from signbin.sums.agr import ActivationGroups
from signbin.sums.bit_rows import common_counts, packed_rows
from signbin.sums.bound import additions_bound
from signbin.sums.budget import UNLIMITED, Budget, OverBudget
from signbin.sums.inline import inlined
from signbin.sums.layer import Algorithm, LayerSums, layer_sums
from signbin.sums.merge import NO_BUDGET, PairMerging
from signbin.sums.qgym import Saturated, Saturation
from signbin.sums.sparse import Sparse
from signbin.sums.sum_list import DROPPED, TEMPORARY, SumList
from signbin.sums.wanted import BinaryForm, WantedSums, wanted_sums

__all__ = [
    "DROPPED",
    "NO_BUDGET",
    "TEMPORARY",
    "UNLIMITED",
    "ActivationGroups",
    "Algorithm",
    "BinaryForm",
    "Budget",
    "LayerSums",
    "OverBudget",
    "PairMerging",
    "Saturated",
    "Saturation",
    "Sparse",
    "SumList",
    "WantedSums",
    "additions_bound",
    "common_counts",
    "inlined",
    "layer_sums",
    "packed_rows",
    "wanted_sums",
]
