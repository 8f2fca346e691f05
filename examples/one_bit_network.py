"""Somebody else's trained network of 27 million 1-bit weights, from its file to 8-bit inference.

    python examples/one_bit_network.py wrn20-10-cifar10-1bit.npz cifar10/test [EXTENT]

examples/wide_resnet.py says whose it is and what is in the file, and measures more.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import signbin
from signbin.runtime import read_samples
from signbin.train.models import WideResidualNetwork, WideSpec

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read(path: str) -> nn.Module:
    """A batch norm of pixels, a stem, three stages of blocks, a 1x1 convolution to the classes."""
    numbers = np.load(path)
    count = sum(name.endswith(".bits") for name in numbers.files)
    shapes = [numbers[f"conv{i}.shape"].tolist() for i in range(count)]
    widths = [shape[0] for shape in shapes[1:-1:2]]
    stages = tuple(sorted(set(widths)))
    spec = WideSpec(shapes[0][1], shapes[-1][0], stages, len(widths) // len(stages), one_sided=True)
    network = WideResidualNetwork(spec).eval()
    layers = list(network.modules())
    for i, conv in enumerate(each for each in layers if isinstance(each, nn.Conv2d)):
        bits = np.unpackbits(numbers[f"conv{i}.bits"], bitorder="little")[: conv.weight.numel()]
        signs = torch.from_numpy(bits.astype(np.float32) * 2 - 1).reshape(shapes[i])
        conv.weight.data.copy_(signs * float(numbers[f"conv{i}.scale"]))
    for i, norm in enumerate(each for each in layers if isinstance(each, nn.BatchNorm2d)):
        named = {"running_mean": "mean", "running_var": "variance"}
        for name, kept in {**named, **({} if i else {"weight": "gamma", "bias": "beta"})}.items():
            getattr(norm, name).data.copy_(torch.from_numpy(numbers[f"bn{i}.{kept}"]))
        norm.eps = float(numbers["epsilon"])
    return network


network, extent = read(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 32
pixels = signbin.Preprocessing(3, extent, extent, (0.0,) * 3, (1 / 255,) * 3)  # 0..255, as trained
card, example = signbin.ModelCard(pixels, CLASSES), (torch.zeros(1, 3, extent, extent),)
program = signbin.compile(network, example, card=card)
samples = read_samples(Path(sys.argv[2]), program.graph.inputs[0], pixels, CLASSES, 1000)
asked = signbin.QuantizedActivations(samples.images[:128])
coded = signbin.compile(network, example, card=card, activations=asked)
for name, each in (("float32", program), ("8-bit", coded)):
    start = time.perf_counter()
    right = (each(samples.images).argmax(1) == samples.labels).mean()
    ms = 1e3 * (time.perf_counter() - start) / len(samples.images)
    print(f"{name} activations: {right:.2%} of {len(samples.images)} right, {ms:.3f} ms an image")
