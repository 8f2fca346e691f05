"""A trained network of 27 million 1-bit weights, from its file to 8-bit inference on a CPU.

    python examples/wide_resnet.py wrn20-10-cifar10-1bit.npz cifar10/test --calibrate cifar10/train

The network is the wide residual network 20-10 for CIFAR-10 of Mark D. McDonnell, "Training wide
residual networks for deployment using a single bit for each weight", ICLR 2018 (arXiv 1802.08530):
github.com/McDonnell-Lab/1-bit-per-weight, commit d1bd14f,
TrainedModels/Tensorflow.keras/CIFAR10_allparams.mat. MIT licence, Copyright (c) 2018
McDonnell-Lab. It is not part of signbin: you give the path of the file, numpy arrays as in
:func:`read_network`. IMAGES is a folder of images in folders named like their classes.

Compiles the network twice, with float and with 8-bit activations, and prints for both the share of
IMAGES that are classified rightly, and the time of one image on one thread. ``--shuffle`` permutes
the weights inside every filter first: the same counts of +1 and -1 without what training put
together; its accuracy is chance, its additions and its time are the point.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import signbin
from signbin.diagnose import measure_quantization
from signbin.errors import FormatError
from signbin.plan import LayerPlan, Strategy
from signbin.plan.layer import Layer, weighted_layers
from signbin.plan.operations import walk_operations
from signbin.plan.stats import group_sizes
from signbin.runtime import read_samples
from signbin.train.models import WideResidualNetwork, WideSpec
from signbin.verbs.compile import quantize_program

CLASSES: Final = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_UNREADABLE: Final = (OSError, ValueError, EOFError, zipfile.BadZipFile)

Arrays = Mapping[str, NDArray[Any]]


def read_network(path: Path, shuffle: int | None = None) -> nn.Module:
    """The network of a file, its batch norms and weights set, in eval mode.

    conv{i}.bits: uint8, bit 1 is +scale and bit 0 is -scale, least significant bit first, in the
    order (K, C, R, S) of conv{i}.shape; conv{i}.scale: one number. bn{i}.mean, bn{i}.variance:
    float32 per channel; bn0.gamma, bn0.beta; epsilon. i counts in order of execution: a batch norm
    of the pixels 0..255, a stem, blocks of two convolutions in three stages, a 1x1 convolution to
    the classes, a batch norm of their scores. shuffle: seed of a permutation inside every filter.
    FormatError, naming the file, for anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise FormatError(
            str(path), allowed="the .npz file of the network", reason=str(error)
        ) from error
    try:
        return _network(arrays, shuffle)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise FormatError(
            f"arrays of {path}", allowed="those that read_network names", reason=str(error)
        ) from error


def _network(arrays: Arrays, shuffle: int | None) -> nn.Module:
    count = sum(name.endswith(".bits") for name in arrays)
    shapes = [tuple(map(int, arrays[f"conv{i}.shape"])) for i in range(count)]
    widths = [shape[0] for shape in shapes[1:-1:2]]
    stages = tuple(sorted(set(widths)))
    spec = WideSpec(
        in_channels=shapes[0][1],
        classes=shapes[-1][0],
        widths=stages,
        blocks=len(widths) // len(stages),
        one_sided=True,
    )
    network = WideResidualNetwork(spec).eval()
    random = None if shuffle is None else np.random.default_rng(shuffle)
    for i, layer in enumerate(_layers(network, nn.Conv2d)):
        _set(layer, weight=_weight(arrays, i, random))
    for i, layer in enumerate(_layers(network, nn.BatchNorm2d)):
        _set(layer, running_mean=arrays[f"bn{i}.mean"], running_var=arrays[f"bn{i}.variance"])
        if i == 0:
            _set(layer, weight=arrays["bn0.gamma"], bias=arrays["bn0.beta"])
        layer.eps = float(arrays["epsilon"])
    return network


def _layers(network: nn.Module, kind: type[nn.Module]) -> list[Any]:
    """In order of execution, in which the network registers them."""
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def _weight(arrays: Arrays, index: int, random: np.random.Generator | None) -> NDArray[np.float32]:
    shape = tuple(map(int, arrays[f"conv{index}.shape"]))
    bits = np.unpackbits(arrays[f"conv{index}.bits"], bitorder="little")[: np.prod(shape)]
    rows = bits.reshape(shape[0], -1)
    if random is not None:
        rows = random.permuted(rows, axis=1)
    scale = np.float32(arrays[f"conv{index}.scale"])
    return np.where(rows.reshape(shape) == 1, scale, -scale)


def _set(layer: nn.Module, **values: NDArray[Any]) -> None:
    for name, value in values.items():
        held: torch.Tensor = getattr(layer, name)
        if value.shape != tuple(held.shape) or not np.isfinite(value).all():
            raise ValueError(f"{name}: {value.shape}, finite numbers of {tuple(held.shape)} wanted")
        held.data.copy_(torch.from_numpy(value))


def card_of(extent: int) -> signbin.ModelCard:
    """Images of so many pixels as the network was trained on: 0..255, nothing else done to them."""
    pixels = signbin.Preprocessing(3, extent, extent, (0.0,) * 3, (1 / 255,) * 3)
    source = "github.com/McDonnell-Lab/1-bit-per-weight, d1bd14f, MIT"
    return signbin.ModelCard(pixels, CLASSES, {"source": source})


def compiled(network: nn.Module, extent: int, calibration: Path, most: int) -> tuple[Any, Any]:
    """The network as a float program, and with 8-bit activations calibrated on those images."""
    program = signbin.compile(network, (torch.zeros(1, 3, extent, extent),), card=card_of(extent))
    given, prepared = program.graph.inputs[0], program.artifact.preprocessing
    samples = read_samples(calibration, given, prepared, most=most)
    return program, quantize_program(program, signbin.QuantizedActivations(samples.images))


def load_adds_of(layer: Layer, plan: LayerPlan) -> dict[str, float]:
    """Additions of inputs in the bucket walks of a layer, per image and lane; {} without walks.

    load_adds_millions: one for every output pixel and every input that some filter of a walk uses;
    inputs_millions: what it were if every walk used all its inputs. p0: the share of inputs that no
    filter of a walk uses; p0_ungrouped: where filters that follow one another share a walk.
    """
    if plan.strategy is not Strategy.BUCKET:
        return {}
    walks = len(group_sizes(layer.filters // layer.groups, plan.parameters["filters"]))
    inputs, pixels = walks * layer.groups * layer.inputs, int(np.prod(layer.output))
    orders = (plan.order, ())
    used, ungrouped = (walk_operations(layer, plan.parameters, each).load_adds for each in orders)
    return {
        "load_adds_millions": pixels * used / 1e6,
        "inputs_millions": pixels * inputs / 1e6,
        "p0": 1 - used / inputs,
        "p0_ungrouped": 1 - ungrouped / inputs,
    }


def load_adds(program: signbin.Program) -> dict[str, float]:
    """The sums of :func:`load_adds_of` over all layers, shares weighted by pixels."""
    layers = [
        load_adds_of(layer, program.plan.for_layer(layer.name))
        for layer in weighted_layers(program.graph, 1)
    ]
    found = [layer for layer in layers if layer]
    total = sum(layer["inputs_millions"] for layer in found)
    shares = {
        name: sum(layer[name] * layer["inputs_millions"] for layer in found) / (total or 1.0)
        for name in ("p0", "p0_ungrouped")
    }
    return {"millions": sum(layer["load_adds_millions"] for layer in found), **shares}


def milliseconds(program: signbin.Program, images: NDArray[np.float32], calls: int) -> float:
    """Median time of one image after another."""
    times = []
    for i in range(calls + 1):
        image = images[i % len(images)][None]
        start = time.perf_counter()
        program(image)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times[1:]))


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Everything the example says, as JSON."""
    network = read_network(options.network, 0 if options.shuffle else None)
    calibration = options.calibrate or options.images
    program, coded = compiled(network, options.extent, calibration, options.most)
    if options.save is not None:
        options.save.mkdir(parents=True, exist_ok=True)
        program.save(options.save / "float.sbn", overwrite=True)
        coded.save(options.save / "int8.sbn", overwrite=True)
    given, prepared = program.graph.inputs[0], program.artifact.preprocessing
    samples = read_samples(options.images, given, prepared, CLASSES, options.first)
    cost = measure_quantization(program, coded, samples.images, samples.labels)
    return {
        "network": options.network.name,
        "weights": "shuffled" if options.shuffle else "trained",
        "images": cost.samples,
        "accuracy": {"float": cost.accuracy_before, "int8": cost.accuracy_after},
        "top1_agreement": cost.top1_agreement,
        "output_snr_db": cost.output_snr_db,
        "isa": program.isa,
        "ms_per_image": {
            "float": milliseconds(program, samples.images, options.calls),
            "int8": milliseconds(coded, samples.images, options.calls),
        },
        "load_adds": load_adds(coded),
    }


def shown(found: Mapping[str, Any]) -> str:
    """A short result for people."""
    counts = found["load_adds"]
    lines = [f"{found['network']}, {found['weights']} weights, {found['images']} images"]
    for kind in ("float", "int8"):
        share, spent = found["accuracy"][kind], found["ms_per_image"][kind]
        accuracy = "no classes given" if share is None else f"{100 * share:.2f} % right"
        lines.append(f"{kind:5} activations: {accuracy}, {spent:.2f} ms per image")
    lines.append(f"the same class from both: {100 * found['top1_agreement']:.2f} %")
    lines.append(
        f"{counts['millions']:.1f} million load-adds per image and lane; of the inputs of a group "
        f"{100 * counts['p0']:.1f} % are left out ({100 * counts['p0_ungrouped']:.1f} % ungrouped)"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, compile, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", type=Path, metavar="NPZ")
    parser.add_argument("images", type=Path, metavar="IMAGES")
    parser.add_argument("--calibrate", type=Path, metavar="DATA", help="else some of IMAGES")
    parser.add_argument("--most", type=int, default=128, help="images to calibrate with")
    parser.add_argument("--first", type=int, default=2**20, help="at most so many, evenly spaced")
    parser.add_argument("--extent", type=int, default=32, help="height and width of the images")
    parser.add_argument("--calls", type=int, default=50, help="images that are timed")
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="float.sbn and int8.sbn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        found = measured(options)
    except (signbin.SignbinError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write((json.dumps(found, indent=1) if options.json else shown(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
