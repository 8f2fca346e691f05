"""Verbs that train whole experiments, and keep what came out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbin.cli.options import AsJson, Force
from signbin.cli.output import note, show
from signbin.shipped import EXPERIMENTS, RECIPES

__all__ = ["experiment", "experiments", "pack", "recipes"]


def recipes(*, as_json: AsJson = False) -> None:
    """List the recipes that come with signbin: what ``train`` takes by name."""
    from signbin.report.console import recipes_table
    from signbin.train import load_recipe

    rows = []
    for name in RECIPES.names():
        config = load_recipe(name)
        what = {"network": config.model.name, "data": config.data.name, "epochs": config.epochs}
        rows.append({"name": name, **what, "purpose": RECIPES.purpose(name)})
    show({"recipes": rows}, recipes_table(rows), as_json)


def experiments(*, as_json: AsJson = False) -> None:
    """List the experiments that come with signbin: what ``experiment`` takes by name."""
    from signbin.report.console import experiments_table
    from signbin.train import load_experiment

    rows = []
    for name in EXPERIMENTS.names():
        found = load_experiment(name)
        size = {"runs": len(found.runs), "scales": list(found.scales), "recipe": found.recipe}
        rows.append({"name": name, **size, "question": found.question})
    show({"experiments": rows}, experiments_table(rows), as_json)


def experiment(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An experiment's name, or a YAML file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="All run folders.")],
    *,
    scale: Annotated[str, typer.Option(help="How much of it, as smoke, cpu or gpu.")] = "smoke",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train what an experiment compares; started again, it goes on where it stopped."""
    EXPERIMENTS.expect(name)
    from signbin.report.console import experiment_table
    from signbin.train import load_experiment, parse_override, run_experiment
    from signbin.verbs.costs import Planned

    overrides = dict(parse_override(text) for text in settings or ())
    planned = Planned()
    results = run_experiment(
        load_experiment(name), scale, output, overrides=overrides, pricing=planned
    )
    show(results, experiment_table(results), as_json)
    note(f"wrote {output / scale / 'results.json'}")


def pack(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="NAME.safetensors", help="File.")
    ],
    *,
    seed: Annotated[int | None, typer.Option(help="Default: the run's first.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Keep a trained network in a small file, about one bit per weight, with a card beside it."""
    from signbin import report
    from signbin.report.console import packed_table
    from signbin.train import describe_packed, load_run, pack_run

    found = load_run(run, seed)
    content = pack_run(found)
    described = describe_packed(found, content)
    card = report.network_card(output.stem, described)
    report.write_files({output: content, output.with_suffix(".md"): card.encode()}, overwrite=force)
    show(described, packed_table(described), as_json)
    note(f"wrote {output}; compile it with: signbin compile {output} -o model.sbn")
