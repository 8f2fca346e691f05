"""The card beside a packed network: what it is, how it came about, how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from signbin.report import markdown, words

__all__ = ["network_card"]


def network_card(name: str, described: Mapping[str, Any]) -> str:
    """Markdown from the description of a packed network (see signbin.train.describe_packed)."""
    provenance, config = described["provenance"], described["config"]
    lines = [
        f"# {name}",
        "",
        f"{config['model']['name']} with {described['weights']} weights, {described['value_set']}, "
        f"in {words.size(described['bytes'])}. Classifier, first layer and 1x1 convolutions of "
        "shortcuts are float32.",
        "",
        markdown.table(("", ""), list(_facts(described).items())),
        "",
        f"Accuracy was measured in PyTorch on the {config['data']['holdout']} part. A network "
        "chosen among several by that accuracy looks a little better than it is.",
        "",
        "```sh",
        f"signbin compile {name}.safetensors -o {name}.sbn",
        "```",
        "",
        "## Density",
        "",
        _layers(described["layers"]),
        "",
        "## Configuration",
        "",
        f"Trained with torch {described['environment']['torch']}; provenance "
        f"{json.dumps(provenance)}.",
        "",
        "```json",
        json.dumps(config, indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def _layers(layers: Sequence[Mapping[str, Any]]) -> str:
    rows = [(layer["name"], str(layer["weights"]), f"{layer['density']:.3f}") for layer in layers]
    return markdown.table(("layer", "weights", "non-zero"), rows)


def _facts(described: Mapping[str, Any]) -> dict[str, str]:
    provenance, parameters = described["provenance"], described["parameters"]
    config = described["config"]
    optimizer, data = config["optimizer"], config["data"]
    reached = {
        key.replace("_", " "): words.percent(float(value), 2)
        for key, value in provenance.items()
        if key.endswith("_accuracy")
    }
    quantized = parameters["quantized"]
    return {
        **reached,
        "data": f"{provenance['data']}, sha256 of pixels and labels {provenance['data_sha256']}",
        "schedule": f"{config['epochs']} epochs, batch {data['batch_size']}, {optimizer['name']} "
        f"{optimizer['learning_rate']:g} {optimizer['schedule']}, seed {provenance['seed']}",
        "quantised weights": f"{words.count(quantized)} of {words.count(parameters['weights'])}",
        "non-zero": f"{words.count(parameters['effectual'])}"
        + (f" (density {parameters['effectual'] / quantized:.3f})" if quantized else ""),
        "sha256 of the file": described["sha256"],
    }
