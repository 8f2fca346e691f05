"""Keep the results of a trained experiment: ``python -m experiments.training NAME RUNS``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import training
from signbin.files import write_text
from signbin.strict_yaml import read_yaml, write_yaml
from signbin.train import Experiment, load_experiment, results_of


def collect(name: str | Path, runs: Path, kept: Path = training.RESULTS) -> list[Path]:
    """Keep what is finished in a folder of ``signbin experiment``; the folders written.

    Networks that were kept before, and were trained elsewhere, stay.
    """
    experiment, written = load_experiment(name), []
    for scale in experiment.scales:
        if not (runs / scale).is_dir():
            continue
        results = results_of(experiment, scale, runs / scale, experiment.trainings(scale))
        if not results["runs"]:
            continue
        folder = kept / f"{experiment.name}-{scale}"
        for run in results["runs"]:
            _keep_logs(runs / scale / f"{run['run']}-seed-{run['seed']}", folder)
        merged = _with_earlier(results, folder / "results.json", experiment, scale)
        write_text(folder / "results.json", json.dumps(merged, indent=1) + "\n")
        written.append(folder)
    return written


def _with_earlier(
    results: dict[str, Any], path: Path, experiment: Experiment, scale: str
) -> dict[str, Any]:
    """The results with the networks of the kept file that they lack, in the order of training."""
    if not path.is_file():
        return results
    earlier = json.loads(path.read_text(encoding="utf-8"))["runs"]
    by_name = {f"{run['run']}-seed-{run['seed']}": run for run in (*earlier, *results["runs"])}
    names = [training.name for training in experiment.trainings(scale)]
    return results | {
        "runs": [by_name[name] for name in names if name in by_name],
        "missing": [name for name in names if name not in by_name],
    }


def _keep_logs(run: Path, folder: Path) -> None:
    """The configuration, without this machine's folders, and the metrics of every epoch."""
    target = folder / run.name
    target.mkdir(parents=True, exist_ok=True)
    config: Any = read_yaml((run / "config.yaml").read_text(encoding="utf-8"), str(run))
    config["data"] |= {"folder": None, "cache": None}
    if config.get("budget"):
        config["budget"]["costs"] = None
    write_text(target / "config.yaml", write_yaml(config))
    for table in run.glob("seed-*/metrics.csv"):  # none where the first epoch failed
        write_text(target / "metrics.csv", table.read_text(encoding="utf-8"))


def main(given: Sequence[str] | None = None) -> int:
    """Collect."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", metavar="NAME", help="of the experiment")
    parser.add_argument("runs", metavar="RUNS", type=Path, help="the folder it was trained into")
    options = parser.parse_args(given)
    for path in collect(options.name, options.runs):
        sys.stdout.write(f"wrote {path}; make pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
