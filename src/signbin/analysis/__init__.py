"""What a network would cost on hardware: counts, cycles and energy, predicted and never run.

layers = layers_from_graph(program.graph)            # or read_shapes, or [gemm(...)]
result = estimate(layers, ProcessingArray("sigma", "sigma-256-128"), "stonne")
result.energy, result.unit, result.label, result.to_json()
"""

from signbin.analysis.accelerators import (
    ACCELERATORS,
    Accelerator,
    accelerator,
    load_configuration,
)
from signbin.analysis.accelergy import action_counts_yaml, reference_table_yaml
from signbin.analysis.activations import input_densities
from signbin.analysis.convert import layers_from_graph
from signbin.analysis.counts import Action, Component, Counts
from signbin.analysis.energy import Estimate, LayerEnergy, ProcessingArray, estimate
from signbin.analysis.repetition import (
    Repetition,
    ZeroBlocks,
    pattern_maps,
    repetition,
    zero_blocks,
)
from signbin.analysis.request import EnergyAnswer, EnergyRequest, answer
from signbin.analysis.subject import (
    Subject,
    subject_from_gemm,
    subject_from_graph,
    subject_from_shapes,
)
from signbin.analysis.sweep import Axes, Point, parse_axes, sweep
from signbin.analysis.tables import EnergyTable, Price, load_table, table_names
from signbin.analysis.trade_off import LayerTradeOff, TradeOff, analyze_layer, analyze_layers
from signbin.analysis.units import in_readable_units
from signbin.analysis.validation import Validation, validate
from signbin.analysis.workload import (
    LayerWorkload,
    gemm,
    parse_gemm,
    read_shapes,
    with_activations,
    with_kind,
)

__all__ = [
    "ACCELERATORS",
    "Accelerator",
    "Action",
    "Axes",
    "Component",
    "Counts",
    "EnergyAnswer",
    "EnergyRequest",
    "EnergyTable",
    "Estimate",
    "LayerEnergy",
    "LayerTradeOff",
    "LayerWorkload",
    "Point",
    "Price",
    "ProcessingArray",
    "Repetition",
    "Subject",
    "TradeOff",
    "Validation",
    "ZeroBlocks",
    "accelerator",
    "action_counts_yaml",
    "analyze_layer",
    "analyze_layers",
    "answer",
    "estimate",
    "gemm",
    "in_readable_units",
    "input_densities",
    "layers_from_graph",
    "load_configuration",
    "load_table",
    "parse_axes",
    "parse_gemm",
    "pattern_maps",
    "read_shapes",
    "reference_table_yaml",
    "repetition",
    "subject_from_gemm",
    "subject_from_graph",
    "subject_from_shapes",
    "sweep",
    "table_names",
    "validate",
    "with_activations",
    "with_kind",
    "zero_blocks",
]
