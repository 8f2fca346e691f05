"""What a .sbn file holds, as one frozen object."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from signbin.errors import SpecError
from signbin.ir.graph import BATCH, Graph
from signbin.plan import Plan
from signbin.spec import Preprocessing

__all__ = ["Artifact"]


@dataclasses.dataclass(frozen=True, eq=False)
class Artifact:
    """A network ready to run: graph with logical weights, and what people need around it.

    plan: a hint; a program plans again where it does not fit the machine. preprocessing: from an
    image file to the only input of the graph. class_names: names of the features of the only
    output, or (). provenance: free text by key (recipe, seed, versions).

    SpecError where the parts do not fit one another: a plan for a layer the graph does not have,
    preprocessing to another input shape, another number of class names than output features.
    """

    graph: Graph
    plan: Plan | None = None
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        _check_plan(self.plan, self.graph)
        _check_preprocessing(self.preprocessing, self.graph)
        _check_class_names(self.class_names, self.graph)


def _check_plan(plan: Plan | None, graph: Graph) -> None:
    names = {node.name for node in graph.nodes}
    for layer in plan.layers if plan is not None else ():
        if layer.layer not in names:
            raise SpecError(
                "layer of the plan",
                value=layer.layer,
                allowed=f"a node of graph {graph.name}",
                remedy="plan this graph",
            )


def _check_preprocessing(preprocessing: Preprocessing | None, graph: Graph) -> None:
    if preprocessing is None:
        return
    wanted = (BATCH, preprocessing.channels, preprocessing.height, preprocessing.width)
    shapes = [value.type.shape for value in graph.inputs]
    if shapes != [wanted]:
        raise SpecError(
            "preprocessing for the graph's input",
            value=wanted,
            allowed=f"one input of that shape; graph {graph.name} has {shapes}",
        )


def _check_class_names(class_names: tuple[str, ...], graph: Graph) -> None:
    if not class_names:
        return
    shapes = [graph.type_of(name).shape for name in graph.outputs]
    if [shape[1:] for shape in shapes] != [(len(class_names),)]:
        raise SpecError(
            "number of class names",
            value=len(class_names),
            allowed=f"one per output feature; outputs of graph {graph.name}: {shapes}",
        )
