"""What a check found, as plain frozen records."""

from __future__ import annotations

import dataclasses

from signbin.draft import Finding

__all__ = ["Coverage", "LayerCheck", "NetworkCheck", "SchemeCheck"]


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What signbin runs of a network. nodes: of the graph, once it is lowered; 0 where it is none.

    refused: every operator that it does not run, with the reason and what to do. operators: of an
    ONNX model that is refused, those that run among them; 0 where nobody counts them.
    """

    nodes: int
    refused: tuple[Finding, ...] = ()
    operators: int = 0

    @property
    def complete(self) -> bool:
        """Whether all of it runs."""
        return not self.refused


@dataclasses.dataclass(frozen=True)
class LayerCheck:
    """One convolution or linear layer in one scheme, for one image.

    strategy, why: what the planner expects to be fastest. additions, multiplications: of the
    whole layer, as expected. size_bytes: its weights in the file. ms: predicted; None where the
    target's speed is not known. energy_uj: microjoules, estimated.
    """

    layer: str
    module: str
    op: str
    weights: str
    strategy: str
    why: str
    macs: int
    additions: int
    multiplications: int
    size_bytes: int
    energy_uj: float
    ms: float | None = None


@dataclasses.dataclass(frozen=True)
class SchemeCheck:
    """The network in one scheme: weights and activations, for one image on one thread.

    file_bytes: of the compiled model. arena_bytes: memory for values, but for the scratch of
    kernels. ms: predicted for all steps, None where the speed of the target, or of a kind of step,
    is not known. energy_uj: microjoules of the layers with weights, estimated.
    """

    scheme: str
    weights: str
    density: float
    activations: str
    file_bytes: int
    arena_bytes: int
    additions: int
    multiplications: int
    energy_uj: float
    ms: float | None
    layers: tuple[LayerCheck, ...]


@dataclasses.dataclass(frozen=True)
class NetworkCheck:
    """What a network would cost in each scheme, before anybody trains it.

    target: the machine it is predicted for. rates: where its speed was measured, "" where it is
    not known. prices: of what energies are estimated. low_bit: modules whose weights the low-bit
    schemes replace; their weights are drawn at random, so trained ones differ. advice: what a
    person should know, in sentences.
    """

    network: str
    target: str
    rates: str
    coverage: Coverage
    prices: str = ""
    low_bit: tuple[str, ...] = ()
    schemes: tuple[SchemeCheck, ...] = ()
    advice: tuple[str, ...] = ()

    def of(self, scheme: str) -> SchemeCheck:
        """The scheme of that name; KeyError where it was not checked."""
        return {entry.scheme: entry for entry in self.schemes}[scheme]
