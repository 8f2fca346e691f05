"""A compiled model as a drawing of its graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from signbin.artifact import Artifact
from signbin.ir import Node, TensorType
from signbin.ir.graph import BATCH
from signbin.plan import LayerPlan
from signbin.report import DrawnStep, graph_svg, words
from signbin.verbs.step_times import StepTimes, timed_artifact

__all__ = ["drawn_steps", "show_model"]


def show_model(path: Path, *, measure: bool = True) -> str:
    """The SVG of a ``.sbn`` file: a box per step of its lowered graph, from inputs to outputs.

    measure: whether its steps are timed here; errors as for
    :func:`signbin.verbs.step_times.timed_artifact`.
    """
    opened, times = timed_artifact(path, measure=measure)
    total = times.total
    timed = "" if total is None else f"{words.milliseconds(total)} ms an image, {times.how}"
    planned = "" if opened.plan is None else f"planned for {opened.plan.target}"
    notes = [text for text in (timed, planned) if text]
    return graph_svg(path.stem, notes, tuple(drawn_steps(opened, times)))


def drawn_steps(opened: Artifact, times: StepTimes) -> Iterator[DrawnStep]:
    """The inputs of a graph, then its nodes in execution order."""
    plans = {layer.layer: layer for layer in opened.plan.layers} if opened.plan else {}
    modules = opened.graph.modules()
    for value in opened.graph.inputs:
        yield DrawnStep(value.name, (), value.name, "input", _shape(value.type))
    for node in opened.graph.nodes:
        yield _step(node, modules, plans.get(node.name), times.steps.get(node.name))


def _step(
    node: Node, modules: Mapping[str, str], planned: LayerPlan | None, ms: float | None
) -> DrawnStep:
    strategy = why = ""
    if planned is not None:
        strategy = f"{planned.strategy.value}, density {planned.density:.2f}"
        why = f"{planned.value_set}; {planned.why}"
    return DrawnStep(
        name=node.name,
        inputs=node.inputs,
        title=modules.get(node.name) or node.name,
        op=node.op,
        shape=_shape(node.type),
        strategy=strategy,
        low_bit=planned is not None and planned.value_set != "float",
        ms=ms,
        why=why,
    )


def _shape(type_: TensorType) -> str:
    """The extents of one image, and the type where it is no float."""
    extents = " x ".join(str(extent) for extent in type_.shape if extent != BATCH)
    return extents if type_.dtype == "f32" else f"{extents}, {type_.dtype}"
