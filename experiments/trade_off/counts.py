"""What every engine adds: random weights over density, tiles, zeros, regions; trained weights.

Every number is a count of a program that exists (signbin.plan.operations), the mean of seeds where
weights are drawn. Nothing is timed here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.layers import count_shapes
from signbin.analysis import repetition
from signbin.plan import GroupSearch, Strategy
from signbin.plan.grouping import regroup
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations
from signbin.plan.stats import (
    LARGEST_GROUP,
    LARGEST_TERNARY_GROUP,
    entropy_bits,
    largest_group,
)
from signbin.plan.strategies import STRATEGIES
from signbin.spec import LowBitWeight
from signbin.sums import PairMerging, Saturation, additions_bound
from signbin.verbs.analyze import read_layers

DENSITIES: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.357, 0.4, 0.5, 0.6, 0.71, 0.8, 0.9, 1.0)
SEEDS: Final = (0, 1, 2)
SHAPE: Final = (64, 64, 3, 3)
SB, TERNARY, BINARY = "signed_binary", "ternary", "binary"
SPARSE_DENSITY: Final = 0.357
"""What 0.05 max|w| per filter leaves of signed-binary weights; of ternary ones it leaves twice."""
TERNARY_DENSITY: Final = 0.71

Codes = NDArray[np.int8]
Parameters = Mapping[str, int]
_RULES: Final = {rule.strategy: rule for rule in STRATEGIES}
_WHOLE: Final = 1 << 20

# The tiles every engine is tuned over, by additions.
TILES: Final[Mapping[Strategy, tuple[Parameters, ...]]] = {
    Strategy.SPARSE: ({"inputs": _WHOLE},),
    Strategy.AGR: tuple({"filters": g, "inputs": _WHOLE} for g in range(2, 9)),
    Strategy.SUMMERGE: tuple(
        {"filters": k, "inputs": i} for k, i in ((16, 64), (32, 144), (64, 576))
    ),
    Strategy.CSE: ({"filters": 64, "inputs": 144}, {"filters": 64, "inputs": 576}),
}
SWEEP: Final = tuple((k, i) for k in (8, 16, 32, 64) for i in (16, 32, 64, 144, 288, 576))


def random_codes(kind: str, shape: Sequence[int], density: float, seed: int) -> Codes:
    """Independent codes of a kind; signed-binary filters all of sign +1: signs cost nothing."""
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    if kind == BINARY:
        return signs
    mask = (rng.random(shape) < density).astype(np.int8)
    return mask * signs if kind == TERNARY else mask


def layer_of(codes: Codes, **changes: Any) -> Layer:
    """A layer with these codes, scale 1."""
    weight = LowBitWeight(codes, np.ones(len(codes), np.float32))
    op = "conv2d" if codes.ndim == 4 else "linear"
    return dataclasses.replace(Layer("layer", op, weight, 1, 1, (1, 1), 1), **changes)


def tiles_of(strategy: Strategy, layer: Layer) -> list[Parameters]:
    """The tiles to tune over, no larger than the layer."""
    if strategy is Strategy.BUCKET:
        assert isinstance(layer.weight, LowBitWeight)
        most = min(largest_group(layer.weight), layer.filters // layer.groups)
        return [{"filters": f, "chunk": layer.channels} for f in range(1, most + 1)]
    most_of = {"filters": layer.filters // layer.groups, "inputs": layer.inputs}
    fitted = [
        {name: min(extent, most_of[name]) for name, extent in tile.items()}
        for tile in TILES.get(strategy, ({},))
    ]
    return [tile for number, tile in enumerate(fitted) if tile not in fitted[:number]]


def fewest(strategy: Strategy, layer: Layer, **options: int) -> tuple[Parameters, Operations]:
    """The tile of fewest additions, and what it takes; options are added to every tile."""
    tried = [{**tile, **options} for tile in tiles_of(strategy, layer)]
    if options.get("two_groups") and strategy is Strategy.BUCKET:
        tried = [tile for tile in tried if tile["filters"] <= LARGEST_TERNARY_GROUP]
    counted = [(tile, _RULES[strategy].operations(layer, tile)) for tile in tried]
    return min(counted, key=lambda entry: entry[1].additions)


def mean(counts: Iterable[float]) -> float:
    """The mean, to nine digits, so that the results are the same on every machine."""
    return float(f"{np.mean(list(counts)):.9g}")


def adds(strategy: Strategy, make: Callable[[int], Codes], **options: int) -> float:
    """Mean additions over the seeds of the best tile for each."""
    return mean(fewest(strategy, layer_of(make(s)), **options)[1].additions for s in SEEDS)


ENGINES: Final = (
    Strategy.SPARSE,
    Strategy.AGR,
    Strategy.SUMMERGE,
    Strategy.CSE,
    Strategy.BUCKET,
)


def density_sweep() -> list[dict[str, Any]]:
    """Signed-binary and ternary at every density, binary in both forms at one."""
    rows = []
    for kind in (SB, TERNARY):
        for density in DENSITIES:

            def make(seed: int, kind: str = kind, density: float = density) -> Codes:
                return random_codes(kind, SHAPE, density, seed)

            rows.append(_sweep_row(kind, density, make))
    for form, options in (("shared total", {}), ("two groups", {"two_groups": 1})):
        row = _sweep_row(
            BINARY, 1.0, lambda seed: random_codes(BINARY, SHAPE, 1.0, seed), **options
        )
        rows.append({**row, "form": form})
    return rows


def _sweep_row(
    kind: str, density: float, make: Callable[[int], Codes], **options: int
) -> dict[str, Any]:
    entropy = mean(entropy_bits(_weight(layer_of(make(seed)))) for seed in SEEDS)
    inputs = math.prod(SHAPE[1:])
    return {
        "kind": kind,
        "density": density,
        "entropy_bits": entropy,
        "bound": mean([additions_bound(SHAPE[0], inputs, entropy)]),
        "patterns_of_8": mean(repetition(_weight(layer_of(make(s))), 8).distinct for s in SEEDS),
        "adds": {engine.value: adds(engine, make, **options) for engine in ENGINES},
    }


def _weight(layer: Layer) -> LowBitWeight:
    assert isinstance(layer.weight, LowBitWeight)
    return layer.weight


CASES: Final[Mapping[str, tuple[str, float, Mapping[str, int]]]] = {
    "signed-binary 0.357": (SB, SPARSE_DENSITY, {}),
    "binary, shared total": (BINARY, 1.0, {}),
    "binary, two groups": (BINARY, 1.0, {"two_groups": 1}),
    "ternary 0.71": (TERNARY, TERNARY_DENSITY, {}),
    "ternary 0.357": (TERNARY, SPARSE_DENSITY, {}),
}


def tile_sweep() -> list[dict[str, Any]]:
    """SumMerge over tiles, for every kind."""
    rows = []
    for filters, inputs in SWEEP:
        found = {}
        for name, (kind, density, options) in CASES.items():
            tile = {"filters": filters, "inputs": inputs, **options}
            found[name] = mean(
                _RULES[Strategy.SUMMERGE]
                .operations(layer_of(random_codes(kind, SHAPE, density, seed)), tile)
                .additions
                for seed in SEEDS
            )
        rows.append({"filters": filters, "inputs": inputs, "adds": found})
    return rows


def sparsity_support() -> list[dict[str, Any]]:
    """Signed-binary with zeros skipped and with zeros summed, beside binary in both forms."""
    rows = []
    for engine in (Strategy.SUMMERGE, Strategy.CSE, Strategy.BUCKET):

        def sparse(seed: int) -> Codes:
            return random_codes(SB, SHAPE, SPARSE_DENSITY, seed)

        def binary(seed: int) -> Codes:
            return random_codes(BINARY, SHAPE, 1.0, seed)

        rows.append(
            {
                "engine": engine.value,
                "on": adds(engine, sparse),
                "off": adds(engine, sparse, zeros=1),
                "shared total": adds(engine, binary),
                "two groups": adds(engine, binary, two_groups=1),
            }
        )
    return rows


BLOCKS: Final = 20


def sub_blocks() -> list[dict[str, Any]]:
    """Equality saturation against SumMerge on blocks of 8 x 32; None where egglog is missing."""
    rows = []
    for name, (kind, density) in {
        "signed-binary 0.357": (SB, SPARSE_DENSITY),
        "ternary 0.71": (TERNARY, TERNARY_DENSITY),
        "binary, two groups": (BINARY, 1.0),
    }.items():
        blocks = [random_codes(kind, (8, 32), density, seed) for seed in range(BLOCKS)]
        found = [Saturation().search(block) for block in blocks]
        merged = [PairMerging(8, 32).build(block).additions for block in blocks]
        ours = [one.sum_list.additions for one in found]
        rows.append(
            {
                "weights": name,
                "blocks": BLOCKS,
                "finished": sum(one.finished for one in found),
                "no_worse": sum(a <= b for a, b in zip(ours, merged, strict=True)),
                "summerge": mean(merged),
                "qgym": mean(ours),
            }
        )
    return rows


def regions() -> list[dict[str, Any]]:
    """A sign per region of C_t channels instead of per filter."""
    rows = []
    for channels in (64, 32, 16, 8, 4):

        def make(seed: int, channels: int = channels) -> Codes:
            mask = random_codes(SB, SHAPE, SPARSE_DENSITY, seed)
            drawn = np.random.default_rng(100 + seed).choice(
                np.array([-1, 1], np.int8), (SHAPE[0], SHAPE[1] // channels, 1, 1)
            )
            codes: Codes = mask * np.repeat(drawn, channels, axis=1)
            return codes

        split = {"filters": 64, "inputs": channels * 9}
        rows.append(
            {
                "channels": channels,
                "adds": {
                    **{engine.value: adds(engine, make) for engine in ENGINES},
                    "summerge, a tile per region": mean(
                        _RULES[Strategy.SUMMERGE].operations(layer_of(make(s)), split).additions
                        for s in SEEDS
                    ),
                    "bucket, a chunk per region": mean(
                        min(
                            _RULES[Strategy.BUCKET]
                            .operations(
                                layer_of(np.abs(make(s))), {"filters": f, "chunk": channels}
                            )
                            .additions
                            for f in range(1, 9)
                        )
                        for s in SEEDS
                    ),
                },
            }
        )
    return rows


def aligned() -> list[dict[str, Any]]:
    """Zeros that coincide in groups of 8 filters, at the same density."""
    rows = []
    for share in (0.0, 0.2, 0.4, 0.5, 0.6):

        def make(seed: int, share: float = share) -> Codes:
            rng = np.random.default_rng(seed)
            kept = rng.random((SHAPE[0] // 8, 1, math.prod(SHAPE[1:]))) >= share
            inner = rng.random((SHAPE[0] // 8, 8, kept.shape[2]))
            codes = kept & (inner < SPARSE_DENSITY / (1 - share))
            return codes.reshape(SHAPE).astype(np.int8)

        rows.append(
            {"share": share, "adds": {engine.value: adds(engine, make) for engine in ENGINES}}
        )
    return rows


def extremes() -> list[dict[str, Any]]:
    """Weights that maximise repetition, zeros, or both."""
    one = random_codes(SB, (1, *SHAPE[1:]), SPARSE_DENSITY, 0)
    half = np.tile(random_codes(SB, (8, *SHAPE[1:]), SPARSE_DENSITY, 0), (8, 1, 1, 1))
    made = {
        "independent": random_codes(SB, SHAPE, SPARSE_DENSITY, 0),
        "eight filters, each eight times": half,
        "one filter, 64 times": np.tile(one, (SHAPE[0], 1, 1, 1)),
        "all ones": np.ones(SHAPE, np.int8),
        "all zero": np.zeros(SHAPE, np.int8),
    }
    return [
        {
            "weights": name,
            "density": mean([np.count_nonzero(codes) / codes.size]),
            "patterns_of_8": mean([repetition(_weight(layer_of(codes)), 8).distinct]),
            "adds": {
                engine.value: fewest(engine, layer_of(codes))[1].additions for engine in ENGINES
            },
        }
        for name, codes in made.items()
    ]


def linear() -> list[dict[str, Any]]:
    """Linear layers, where no window overlaps another and the total is shared by filters only."""
    rows = []
    for shape in ((512, 512), (1000, 512), (1024, 1024)):
        found = {}
        for name, (kind, density, options) in CASES.items():
            layer = layer_of(random_codes(kind, shape, density, 0))
            found[name] = {
                engine.value: fewest(engine, layer, **options)[1].additions
                for engine in (Strategy.SUMMERGE, Strategy.BUCKET)
            }
        rows.append({"shape": list(shape), "adds": found})
    return rows


def trained(source: Path) -> dict[str, Any]:
    """A network's low-bit layers as they are and with their weights shuffled, per image.

    Shuffling keeps the density of every layer and the sign of every filter, and makes zeros
    independent: what is left of the difference is structure.
    """
    weights = read_layers(source)
    layers = [one for one in weights.layers if isinstance(one.weight, LowBitWeight)]
    rng = np.random.default_rng(0)
    totals: dict[str, dict[str, float]] = {"as trained": {}, "shuffled": {}}
    for layer in layers:
        weight = _weight(layer)
        mixed = LowBitWeight(
            rng.permuted(weight.codes.reshape(layer.filters, -1), axis=1).reshape(weight.shape),
            weight.scale.copy(),
        )
        for name, one in (("as trained", weight), ("shuffled", mixed)):
            changed = dataclasses.replace(layer, weight=one)
            for engine in ENGINES:
                count = fewest(engine, changed)[1].additions * math.prod(layer.output)
                totals[name][engine.value] = totals[name].get(engine.value, 0) + count
    sizes = [layer.weight.codes.size for layer in layers]  # type: ignore[union-attr]
    return {
        "network": weights.name,
        "layers": len(layers),
        "value_set": layers[0].value_set.value,
        "density": mean([np.average([one.density for one in layers], weights=sizes)]),
        "zero_patterns_of_8": _weighted(layers, sizes, _zero_share),
        "if_independent": _weighted(layers, sizes, lambda one: (1 - one.density) ** 8),
        "bound": mean([sum(_bound(one) * math.prod(one.output) for one in layers)]),
        "adds": totals,
        "grouping": grouping(layers),
    }


def _weighted(layers: Sequence[Layer], sizes: Sequence[int], of: Callable[[Layer], float]) -> float:
    return mean([np.average([of(layer) for layer in layers], weights=sizes)])


def _zero_share(layer: Layer) -> float:
    filters = min(8, layer.filters // layer.groups)
    return repetition(_weight(layer), filters, layer.groups).zero_share


def _bound(layer: Layer) -> float:
    filters = layer.filters // layer.groups
    return layer.groups * additions_bound(filters, layer.inputs, entropy_bits(_weight(layer)))


def grouping(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Load-adds per image before and after filters are regrouped."""
    rows = []
    for filters, chunk in ((8, None), (6, None), (8, 16), (6, 16)):
        before = after = 0
        for layer in layers:
            most = min(filters, largest_group(_weight(layer)), layer.filters // layer.groups)
            found = regroup(layer, most, chunk or layer.channels, GroupSearch())
            before += found.before * math.prod(layer.output)
            after += found.load_adds * math.prod(layer.output)
        rows.append({"filters": filters, "chunk": chunk, "before": before, "after": after})
    return rows


def grouping_of_random() -> list[dict[str, Any]]:
    """The same of independent signed-binary weights, of ResNet-18's four stages."""
    rows = []
    for channels in (64, 128, 256, 512):
        codes = random_codes(SB, (channels, channels, 3, 3), SPARSE_DENSITY, 0)
        rows.append({"channels": channels, "grouping": grouping([layer_of(codes)])})
    return rows


def resnet18() -> list[dict[str, Any]]:
    """Additions per image of ResNet-18's 3x3 convolutions, every engine at its best tile.

    bucket on codes: chunks of channels whose sums fit 16 bits, as many filters as is best.
    """
    rows = []
    for name, (kind, density, options) in CASES.items():
        totals: dict[str, float] = {}
        bound = dense = 0.0
        for shape, times in count_shapes("resnet18").items():
            codes = random_codes(kind, shape.weight, density, 0)
            layer = layer_of(codes, stride=shape.stride, output=shape.output)
            weight = times * math.prod(shape.output)
            for engine in ENGINES:
                count = fewest(engine, layer, **options)[1].additions
                totals[engine.value] = totals.get(engine.value, 0) + weight * count
            count = _fewest_on_codes(layer, options)
            totals["bucket on codes"] = totals.get("bucket on codes", 0) + weight * count
            bound += weight * _bound(layer)
            dense += weight * layer.multiply_adds
        rows.append(
            {"weights": name, "multiply_adds": dense, "bound": mean([bound]), "adds": totals}
        )
    return rows


def _fewest_on_codes(layer: Layer, options: Mapping[str, int]) -> int:
    on_codes = dataclasses.replace(layer, activations="u8", top=255)
    ternary = options.get("two_groups") or layer.radix == 3
    largest = LARGEST_TERNARY_GROUP if ternary else LARGEST_GROUP
    sizes = {-(-layer.channels // number) for number in range(1, 17)}
    chunks = sorted(size for size in sizes if size >= 16)
    return min(
        _RULES[Strategy.BUCKET]
        .operations(on_codes, {"filters": filters, "chunk": chunk, **options})
        .additions
        for filters in range(max(1, largest - 3), largest + 1)
        for chunk in chunks
    )


SECTIONS: Final[Mapping[str, Callable[[], Any]]] = {
    "density": density_sweep,
    "tiles": tile_sweep,
    "support": sparsity_support,
    "sub_blocks": sub_blocks,
    "regions": regions,
    "aligned": aligned,
    "extremes": extremes,
    "linear": linear,
    "resnet18": resnet18,
    "grouping_of_random": grouping_of_random,
}
"""What is counted, in the order of the results."""
