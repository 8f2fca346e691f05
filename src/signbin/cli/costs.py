"""The verb that says what a network would cost here, by density, before it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from signbin.cli.options import AsJson, Force, Isa
from signbin.cli.output import note, show

__all__ = ["costs"]

_DENSITIES: Final = (0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.02, 0.01)


def costs(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a YAML file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="COSTS.json", help="File.")],
    *,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe.")
    ] = None,
    isa: Isa = "auto",
    seconds: Annotated[float, typer.Option(help="How long to measure at least.")] = 10.0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Measure what a recipe's network costs on this machine, by density: for budget.costs."""
    from signbin import report
    from signbin.documents import to_document
    from signbin.layer_costs import write_costs
    from signbin.report.console import costs_table
    from signbin.train import load_recipe, parse_override
    from signbin.tune import TimeLayers
    from signbin.verbs.costs import costs_of_recipe

    report.require_free([output], overwrite=force)
    config = load_recipe(recipe, dict(parse_override(text) for text in settings or ()))
    with report.counted_progress("densities") as progress:
        found = costs_of_recipe(config, isa, TimeLayers(seconds, progress))
    write_costs(output, found)
    shown = [(d, cost := found.at_density(d), cost / found.binary) for d in _DENSITIES]
    show(to_document(found), costs_table(found.target, shown), as_json)
    note(f"wrote {output}; train with: --set 'budget={{milliseconds: MS, costs: {output}}}'")
