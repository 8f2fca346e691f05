"""Fill zoo/ with the best ResNet-20 of each kind of low-bit weights, with its card.

    python -m experiments.zoo RUNS [RUNS ...]   # folders of signbin experiment, or single runs
    python -m experiments.zoo --name fashion-mnist RUN    # one of another network, as it is

Of every kind the network with the longest schedule is kept, and of several the one with the highest
held-out accuracy; its card says so. Float networks do not fit the size a zoo file may have.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments import ROOT
from signbin import report
from signbin.errors import SpecError
from signbin.files import write_whole
from signbin.report import markdown
from signbin.strict_yaml import read_yaml
from signbin.train import Run, describe_packed, load_packed, load_run, pack_run

ZOO = ROOT / "zoo"
NETWORK = "resnet20"
KINDS = ("signed_binary", "binary", "ternary")
LARGEST_BYTES = 200_000


def finished_runs(folders: Iterable[Path]) -> list[Path]:
    """Every finished run folder in these folders, or that they are."""
    summaries = {path for folder in folders for path in folder.glob("**/summary.json")}
    return sorted(path.parent for path in summaries if (path.parent / "config.yaml").is_file())


def best_runs(folders: Sequence[Path]) -> dict[str, Path]:
    """The run to keep of every kind that was trained."""
    found: dict[str, tuple[int, float, Path]] = {}
    for path in folders:
        config: Any = read_yaml((path / "config.yaml").read_text(encoding="utf-8"), str(path))
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        kind, model = config["weights"], config["model"]
        usual = model["name"] == NETWORK and model["width"] in {None, 16}
        if kind not in KINDS or not usual or len(config["seeds"]) != 1:
            continue
        accuracy = summary[f"{config['data']['holdout']}_accuracy"]["mean"]
        candidate = (config["epochs"], accuracy, path)
        found[kind] = max(found.get(kind, candidate), candidate)
    return {kind: found[kind][2] for kind in KINDS if kind in found}


def keep(run: Run, zoo: Path = ZOO, network: str = "") -> Path:
    """Write a network and its card; the file's path. SpecError where it is too large.

    network: what its name begins with; "" for the usual one.
    """
    content = pack_run(run)
    described = describe_packed(run, content)
    name = f"{network or NETWORK}-{described['weights'].replace('_', '-')}"
    if len(content) >= LARGEST_BYTES:
        raise SpecError(f"size of {name}", value=len(content), allowed=f"< {LARGEST_BYTES}")
    path = zoo / f"{name}.safetensors"
    zoo.mkdir(parents=True, exist_ok=True)
    card = report.network_card(name, described)
    write_whole({path: content, path.with_suffix(".md"): card.encode()})
    return path


def pages() -> dict[Path, str]:
    """The table of the files that are there."""
    return {ZOO / "README.md": table()}


def table(zoo: Path = ZOO) -> str:
    """zoo/README.md, from the files that are there."""
    rows = [_row(path) for path in sorted(zoo.glob("*.safetensors"))]
    lines = [
        "# Trained networks",
        "",
        "ResNet-20 with the paper's blocks on CIFAR-10, and one of half its width for",
        "[microcontrollers](../docs/microcontrollers.md) on Fashion-MNIST (`fashion-mnist`),",
        "packed: about one bit per quantised weight, float32 for the rest",
        "(`signbin.train.packed` says how). Beside every file is its card.",
        "",
        "```sh",
        "signbin compile zoo/resnet20-signed-binary.safetensors -o model.sbn",
        "```",
        "",
        markdown.table(("network", "size", "epochs", "seed", "held-out accuracy"), rows),
        "",
        "Short schedules: see the epochs. They show that the networks run, not how accurate they",
        "can be; [the experiments](../docs/results/training.md) say how they were trained. Of each",
        "kind the longest schedule is kept, of several seeds the best on the held-out part, by",
        f"`python -m experiments.zoo RUNS`. A float {NETWORK} takes more than a megabyte and is",
        "not here. Made by `make pages` from the files.",
        "",
    ]
    return "\n".join(lines)


def _row(path: Path) -> list[str]:
    said = load_packed(path).provenance
    accuracy = next(float(text) for key, text in said.items() if key.endswith("_accuracy"))
    return [
        f"[{path.stem}]({path.stem}.md)",
        report.words.size(path.stat().st_size),
        *(said["epochs"], said["seed"], f"{100 * accuracy:.2f} %"),
    ]


def main(given: Sequence[str] | None = None) -> int:
    """Keep the best of the folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS")
    parser.add_argument("--name", default="", help="of networks that are not the usual one")
    options = parser.parse_args(given)
    chosen = options.runs if options.name else best_runs(finished_runs(options.runs)).values()
    for path in chosen:
        sys.stdout.write(f"wrote {keep(load_run(path), ZOO, options.name)}; make pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
