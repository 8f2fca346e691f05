"""The typer application: all verbs, in the order in which they are used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from signbin.cli import (
    check,
    costs,
    estimates,
    experiments,
    export,
    measurements,
    networks,
    predict,
    reports,
    serve,
    show,
)
from signbin.version import VERSION

__all__ = ["VERBS", "build_app"]

VERBS: Final[Mapping[str, Callable[..., None]]] = {
    "recipes": experiments.recipes,
    "experiments": experiments.experiments,
    "check": check.check,
    "costs": costs.costs,
    "train": networks.train,
    "experiment": experiments.experiment,
    "pack": experiments.pack,
    "new": networks.new,
    "compile": networks.compile_model,
    "export": export.export,
    "run": networks.run,
    "predict": predict.predict,
    "serve": serve.serve,
    "compare": networks.compare,
    "analyze": estimates.analyze,
    "energy": estimates.energy,
    "bench": measurements.bench,
    "profile": measurements.profile,
    "doctor": measurements.doctor,
    "report": reports.report_runs,
    "show": show.show_graph,
}


def build_app(called: str | None = None) -> typer.Typer:
    """The typer application: all verbs, in the order in which they are used.

    called: the verb that will run, where it is known. The others then have their names and texts
    alone: what ``--help`` shows of them, without the time that reading their options takes.
    """
    app = typer.Typer(
        name="signbin",
        help="Train, compile and run signed-binary neural networks on ordinary CPUs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, verb in VERBS.items():
        if called in (None, name):
            app.command(name)(verb)
        else:
            app.command(name, help=verb.__doc__)(_not_called)
    return app


def _not_called() -> None:
    """In the place of a verb that does not run."""
    raise AssertionError("only the verb that is called runs")


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"signbin {VERSION}\n")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it, exit."),
    ] = False,
) -> None:
    """Options of the command itself, in front of every verb."""
