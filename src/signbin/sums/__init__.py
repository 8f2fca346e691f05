"""Programs of shared sums: every way of the literature to add up low-bit filters, as one form.

sums = wanted_sums(weight)                          # what a layer's filters sum
graph = PairMerging(16, 64).build(sums.digits)      # SumMerge; a frozen AddGraph
graph.additions, graph.evaluate(inputs)
"""

from signbin.sums.agr import ActivationGroups
from signbin.sums.bound import additions_bound
from signbin.sums.graph import DROPPED, TEMPORARY, AddGraph
from signbin.sums.inline import inlined
from signbin.sums.layer import Algorithm, LayerProgram, layer_program
from signbin.sums.merge import NO_BUDGET, PairMerging
from signbin.sums.qgym import Saturated, Saturation
from signbin.sums.sparse import Sparse
from signbin.sums.wanted import BinaryForm, Sums, wanted_sums

__all__ = [
    "DROPPED",
    "NO_BUDGET",
    "TEMPORARY",
    "ActivationGroups",
    "AddGraph",
    "Algorithm",
    "BinaryForm",
    "LayerProgram",
    "PairMerging",
    "Saturated",
    "Saturation",
    "Sparse",
    "Sums",
    "additions_bound",
    "inlined",
    "layer_program",
    "wanted_sums",
]
