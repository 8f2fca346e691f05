"""What should one deploy: a 1-bit ResNet-18 beside the networks that people use, as float or int8.

    python -m benchmarks.deploy FOLDER [NAME ...]

Installs torchvision into FOLDER, as benchmarks/families.py does. Every network of 224 x 224 images
is timed on one thread in OpenVINO and ONNX Runtime, in float32 and 8 bits; ResNet-18 with 1-bit
weights in signbin, on 8-bit codes. Weights are drawn: times do not depend on what was learned.
Accuracies are those that others published: torchvision's of its own weights, read from the package,
and of 1-bit weights what the paper named beside them reports. A network that today's file has is
left out, unless it is named.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

import signbin
from benchmarks.family_networks import PACKAGES, low_bit, torchvision_models
from benchmarks.imports import install
from benchmarks.options import add_turns, make_parser
from benchmarks.results import record, todays
from signbin.measure import Schedule
from signbin.quant import Binary, Quantizer, SignedBinary
from signbin.report import markdown, words
from signbin.verbs.bench import BenchRequest, bench

SECTION: Final = "deploy"
_SIDE: Final = 224
_BATCHES: Final = 8
_PEERS: Final = ("openvino-int8", "onnxruntime-int8", "openvino", "onnxruntime")


@dataclasses.dataclass(frozen=True)
class Deployed:
    """A network: torchvision's function and weights, the kind of ours, what was published of it."""

    function: str
    weights: str
    kind: Quantizer | None = None
    published: tuple[float, str] | None = None


NETWORKS: Final = {
    "ResNet-18, binary": Deployed("resnet18", "", Binary(), (66.1, "least-squares binary")),
    "ResNet-18, signed-binary .35": Deployed(
        "resnet18", "", SignedBinary(density=0.35), (66.2, "Signed Binarization")
    ),
    "ResNet-18, signed-binary .12": Deployed("resnet18", "", SignedBinary(density=0.12)),
    "ResNet-18": Deployed("resnet18", "ResNet18_Weights"),
    "MobileNet-v3 small": Deployed("mobilenet_v3_small", "MobileNet_V3_Small_Weights"),
    "SqueezeNet 1.1": Deployed("squeezenet1_1", "SqueezeNet1_1_Weights"),
    "ShuffleNet-v2": Deployed("shufflenet_v2_x1_0", "ShuffleNet_V2_X1_0_Weights"),
    "RegNet-Y 400MF": Deployed("regnet_y_400mf", "RegNet_Y_400MF_Weights"),
    "EfficientNet-B0": Deployed("efficientnet_b0", "EfficientNet_B0_Weights"),
    "ResNet-50": Deployed("resnet50", "ResNet50_Weights"),
}


def measure(name: str, site: Path, rounds: int) -> dict[str, Any]:
    """One row: what was published, the size, least ms of every engine that runs the network."""
    network, models = NETWORKS[name], torchvision_models(site)
    shape = (4, 3, _SIDE, _SIDE)
    made = low_bit(
        partial(getattr(models, network.function), weights=None), shape[1:], network.kind
    )
    model = settled(made, shape)
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    activations = signbin.QuantizedActivations(images) if network.kind is not None else None
    program = signbin.compile(model, (torch.from_numpy(images[:1]),), activations=activations)
    with tempfile.TemporaryDirectory(prefix="signbin-deploy-") as folder:
        path = Path(folder) / "network.sbn"
        program.save(path)
        against = () if network.kind is not None else _PEERS
        raced = bench(BenchRequest(path, against=against, schedule=Schedule(rounds=rounds)))
    sides = {"signbin": raced.ours, **{key: each.engine for key, each in raced.peers.items()}}
    accuracy, source = _published(network, models)
    return {
        "network": name,
        "accuracy": accuracy,
        "source": source,
        "parameters": sum(each.numel() for each in model.parameters()),
        "file_bytes": len(program.to_bytes()) if network.kind is not None else None,
        "times": {key: side.times.to_json() for key, side in sides.items()},
        "failures": dict(raced.failures),
    }


def settled(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """With the statistics of drawn images in its batch norms: else 8 bits do not reach as far."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    with torch.no_grad():
        for _ in range(_BATCHES):
            model(torch.randn(*shape))
    return model.eval()


def _published(network: Deployed, models: Any) -> tuple[float | None, str]:
    if not network.weights:
        return network.published or (None, "")
    known = getattr(models, network.weights).IMAGENET1K_V1
    return known.meta["_metrics"]["ImageNet-1K"]["acc@1"], f"torchvision, {known}"


def deploy_table(section: Mapping[str, Any]) -> str:
    """One line per network: accuracy, bytes, and the fastest engine in 8 bits and in float."""
    head = (
        "network",
        "published top-1",
        "published by",
        "bytes of weights",
        "8 bits, ms",
        "in",
        "float, ms",
    )
    lines = []
    for row in section["rows"]:
        times = {key: each["min_ms"] for key, each in row["times"].items()}
        coded = [key for key in times if key.endswith("int8")]
        ours = row["file_bytes"] is not None
        best = "signbin" if ours else min(coded, key=times.__getitem__, default="")
        floats = [ms for key, ms in times.items() if not ours and key not in coded]
        lines.append(
            (
                row["network"],
                f"{row['accuracy']:.1f} %" if row["accuracy"] is not None else "none",
                row["source"],
                words.size(row["file_bytes"] if ours else row["parameters"]),
                words.milliseconds(times[best]) if best else "not measured",
                best,
                words.milliseconds(min(floats)) if floats else "",
            )
        )
    return markdown.table(head, lines, numbers_from=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every network, print one line each, record each as it ends."""
    options = _options(arguments)
    if not options.offline:
        install(options.folder, PACKAGES)
    kept = (todays(SECTION, options.results) or {}).get("rows", [])
    rows = {row["network"]: row for row in kept}
    for name in NETWORKS:
        if name not in options.names if options.names else name in rows:
            continue
        rows[name] = measure(name, options.folder, options.rounds)
        times = {key: round(each["min_ms"], 2) for key, each in rows[name]["times"].items()}
        sys.stdout.write(f"{name}: {times} {rows[name]['failures']}\n")
        ordered = [rows[each] for each in NETWORKS if each in rows]
        record(SECTION, {"rows": ordered}, options.results)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, help="where torchvision is, or is put")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to measure again")
    parser.add_argument("--offline", action="store_true", help="install nothing")
    add_turns(parser, 10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
