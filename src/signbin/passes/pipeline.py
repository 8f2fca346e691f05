"""THE order of passes from a captured graph to the lowered one that plans and programs use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from signbin.errors import VerifyError
from signbin.ir import Graph, verify
from signbin.passes.dead_code import remove_dead_code
from signbin.passes.fold_batch_norm import fold_batch_norm
from signbin.passes.fold_channel_bias import fold_channel_bias
from signbin.passes.fold_padding import fold_padding
from signbin.passes.fuse_epilogue import fuse_epilogue
from signbin.passes.multiply_codes import multiply_codes
from signbin.passes.name_global_average import name_global_average
from signbin.passes.remove_identities import remove_identities
from signbin.passes.round_sums import round_sums

__all__ = ["PASSES", "Pass", "lower"]

Pass: TypeAlias = Callable[[Graph], Graph]

PASSES: Final[tuple[Pass, ...]] = (
    remove_dead_code,  # first, so that a dead reader does not keep two nodes apart
    remove_identities,
    fold_padding,  # before averages over the whole image get a name that knows no padding
    name_global_average,
    fold_channel_bias,
    fold_batch_norm,
    multiply_codes,  # before shortcuts are fused, which must be of the kind that the layer reads
    fuse_epilogue,
    round_sums,
)


def lower(graph: Graph) -> Graph:
    """Run all passes in order, verifying the graph before the first and after each.

    Inputs and outputs keep their names and types. Every value that keeps its name keeps its
    meaning: it differs from the original only by the rounding of folded constants and fused sums.
    VerifyError if the graph breaks the rules.
    """
    verify(graph)
    for pass_ in PASSES:
        graph = pass_(graph)
        try:
            verify(graph)
        except VerifyError as error:
            error.add_note(f"after the pass {pass_.__name__}")
            raise
    return graph
