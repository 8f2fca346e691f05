"""Programs of shared sums: every way of the literature to add up low-bit filters, as one form.

sums = wanted_sums(weight)                          # what a layer's filters sum
graph = PairMerging(16, 64).build(sums.digits)      # SumMerge; a frozen AddGraph
graph.additions, graph.evaluate(inputs)
"""

from signbin.sharing.agr import ActivationGroups
from signbin.sharing.bound import additions_bound
from signbin.sharing.graph import DROPPED, TEMPORARY, AddGraph
from signbin.sharing.inline import inlined
from signbin.sharing.layer import Algorithm, LayerProgram, layer_program
from signbin.sharing.merge import NO_BUDGET, PairMerging
from signbin.sharing.qgym import Saturated, Saturation
from signbin.sharing.sparse import Sparse
from signbin.sharing.sums import BinaryForm, Sums, wanted_sums

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
