"""What a report says, as frozen records: the same data feeds JSON, HTML and the terminal.

``None`` means "not given": renderers print those words and never a stand-in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final, TypeVar

from signbin.documents import ReadingRules, from_document
from signbin.errors import FormatError

__all__ = [
    "SCHEMA_VERSION",
    "Kind",
    "Model",
    "PatternCounts",
    "Prediction",
    "Ranked",
    "Report",
    "ReportedComparison",
    "ReportedDifference",
    "ReportedDivergence",
    "ReportedExactness",
    "ReportedLatent",
    "ReportedLayer",
    "ReportedRun",
    "Series",
    "Study",
    "StudyPoint",
    "from_json",
]

SCHEMA_VERSION: Final = 2
_RecordT = TypeVar("_RecordT")


@dataclasses.dataclass(frozen=True)
class Series:
    """One quantity of one training run: values[i] was measured at the end of epoch epochs[i]."""

    quantity: str
    seed: int
    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ReportedLatent:
    """How the latent weights of one layer are spread, and which of them count.

    all: counts in equal bins from -largest to +largest, largest = max |w|. effectual: of those
    whose code in the compiled model is not zero; None where no model holds the same layer.
    """

    layer: str
    largest: float
    all: tuple[int, ...]
    effectual: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class ReportedRun:
    """One run folder: a recipe trained with one kind of weights, once per seed.

    weights: name of the value set (``signed_binary``); values: the set itself, as people write
    it. accuracies: share in [0, 1] of the held-out images, one per seed, in the order of
    ``seeds``; held_out: ``test`` or ``validation``. density: non-zero codes / codes of the
    quantised layers, mean over seeds. parameters: all trainable numbers; quantized_share:
    weights of quantised layers / weights of all convolution and linear layers. cost: of one image,
    as predicted, beside its budget, where the run had one. latent: of the first seed's quantised
    layers.
    """

    path: str
    recipe: str
    weights: str
    values: str | None = None
    seeds: tuple[int, ...] = ()
    accuracies: tuple[float, ...] = ()
    held_out: str = "test"
    density: float | None = None
    layer_density: Mapping[str, float] = dataclasses.field(default_factory=dict)
    parameters: int | None = None
    quantized_share: float | None = None
    series: tuple[Series, ...] = ()
    config: Mapping[str, str] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    command: str | None = None
    cost: str | None = None
    latent: tuple[ReportedLatent, ...] = ()


@dataclasses.dataclass(frozen=True)
class Kind:
    """One row of the table that puts the kinds of weights side by side.

    mean: arithmetic mean of the held-out accuracies; spread: their sample standard deviation
    (n - 1), None for fewer than two seeds. cost: as in :class:`ReportedRun`.
    """

    weights: str
    values: str | None
    recipe: str
    seeds: tuple[int, ...]
    held_out: str
    accuracies: tuple[float, ...]
    mean: float | None
    spread: float | None
    density: float | None
    parameters: int | None
    cost: str | None = None


@dataclasses.dataclass(frozen=True)
class PatternCounts:
    """How often each pattern of F neighbouring filters occurs among the inputs of a layer.

    radix 2: 2^F counts, bit f says whether filter f has a one there (binary: +1). radix 3: 3^F,
    digit f is the code of filter f plus one.
    """

    filters: int
    radix: int
    counts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ReportedLayer:
    """One layer with weights of a compiled model, and why it runs the way it does.

    macs: dense multiply-accumulates per image. rejected: for every other strategy that was
    weighed, its name and the reason against it. module: the layer in the trained network, ""
    where it is unknown; ``name`` is that of the node, which may have fused later layers.
    size_bytes: of its weights in the file. additions, multiplications: per image, as planned.
    energy_uj: microjoules per image, estimated. ms: per image, see ``Model.ms_how``. patterns: of
    low-bit weights.
    """

    name: str
    op: str
    value_set: str
    density: float
    macs: int
    strategy: str
    parameters: Mapping[str, int]
    why: str
    rejected: tuple[str, ...] = ()
    module: str = ""
    size_bytes: int | None = None
    additions: int | None = None
    multiplications: int | None = None
    energy_uj: float | None = None
    ms: float | None = None
    patterns: PatternCounts | None = None


@dataclasses.dataclass(frozen=True)
class Model:
    """A compiled model file.

    weights: weights of all convolution and linear layers; low_bit_weights: those held with two
    or three values per filter. bits_per_weight = 8 * stored bytes of the low-bit weights, scales
    and offsets included / low_bit_weights. file_bits_per_weight = 8 * size_bytes / weights: the
    whole file, with graph, plan, biases and provenance. arena_bytes: working memory of a call
    with one image. ms: of one image on one thread, all steps; ms_how: measured or predicted, and
    for which machine. energy_uj: microjoules of the layers with weights, for one image; energy_how:
    of what it is estimated. accuracy: share of held-out images, as the file's provenance has it.
    """

    path: str
    size_bytes: int | None
    weights: int
    low_bit_weights: int
    bits_per_weight: float | None
    file_bits_per_weight: float | None
    target: str | None
    layers: tuple[ReportedLayer, ...]
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    arena_bytes: int | None = None
    ms: float | None = None
    ms_how: str = ""
    energy_uj: float | None = None
    energy_how: str = ""
    accuracy: float | None = None


@dataclasses.dataclass(frozen=True)
class ReportedDifference:
    """One layer of a comparison: error = max |difference| / max |reference|, all samples.

    interpreter_error, compiled_error: of the numpy interpreter and of the compiled program
    against PyTorch; None where that side has no such value, because the layer was fused into a
    later one or added by the compiler. other_errors: of other engines, by name. source: the module
    the value comes from. outside: whether an error is beyond what is allowed.
    """

    name: str
    interpreter_error: float | None
    compiled_error: float | None
    source: str = ""
    other_errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    outside: bool = False


@dataclasses.dataclass(frozen=True)
class ReportedDivergence:
    """The first value on which engines part, with what each computed at one element of it.

    sample, place: which sample and element. odd: engines that differ from most of the others.
    """

    name: str
    source: str
    sample: int
    place: tuple[int, ...]
    values: Mapping[str, float]
    odd: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ReportedExactness:
    """Nodes on 8-bit codes against the interpreter: how many values, how many differ, where first.

    The contract is that none does.
    """

    values: int
    differing: int
    first: str | None = None


@dataclasses.dataclass(frozen=True)
class ReportedComparison:
    """A reference, as PyTorch, against the compiled program, on the same inputs.

    top1_agreement: share of samples, in [0, 1], for which both name the same class.
    first_diverging: the first layer that is outside, None where there is none. exactness: None
    where the program has no 8-bit activations. engines: compared beside the interpreter.
    """

    samples: int
    max_relative_error: float
    top1_agreement: float
    tolerance: float | None = None
    first_diverging: str | None = None
    layers: tuple[ReportedDifference, ...] = ()
    exactness: ReportedExactness | None = None
    reference: str = "pytorch"
    engines: tuple[str, ...] = ()
    divergence: ReportedDivergence | None = None


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A class and its score. name: the class name, or its number where none is stored."""

    name: str
    score: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The best classes of one input, highest score first; ties keep the class order."""

    input: str
    top: tuple[Ranked, ...]


@dataclasses.dataclass(frozen=True)
class StudyPoint:
    """One network of a study: what it reached, and what it costs, by the name of the cost.

    accuracy: share in [0, 1] of held-out images, mean of the seeds that did not fail.
    """

    name: str
    weights: str
    accuracy: float
    seeds: int
    costs: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Study:
    """Networks that were trained to be compared. failed: names of those that did not finish."""

    title: str
    question: str
    points: tuple[StudyPoint, ...]
    failed: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything one report shows. comparison: of the first model with its reference."""

    title: str
    version: str
    created: str
    kinds: tuple[Kind, ...]
    trainings: tuple[ReportedRun, ...]
    models: tuple[Model, ...] = ()
    comparison: ReportedComparison | None = None
    studies: tuple[Study, ...] = ()
    commands: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION


def from_json(record: type[_RecordT], document: object, source: str) -> _RecordT:
    """Read a record from a decoded JSON document; ``source`` names its file in messages.

    Keys that the record does not know are ignored, so that newer files can be read. A missing key
    without a default, or a value of the wrong type, is a FormatError naming the file and the key.
    """
    rules = ReadingRules(FormatError, source, _REMEDY, takes_unknown=True)
    return from_document(record, document, rules=rules)


_REMEDY: Final = "write the file again with this version of signbin"
