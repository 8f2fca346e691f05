"""The tables of catalogue.md: every list of the project, read from the list itself."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from docs.rooms import PACKAGE, as_markdown
from signbin import native
from signbin.analysis.accelerators import ACCELERATORS
from signbin.analysis.tables import load_table, table_names
from signbin.cli.app import VERBS
from signbin.ir import OPS
from signbin.ir.functions import FUNCTIONS
from signbin.measure.peers import PEERS
from signbin.passes.pipeline import PASSES
from signbin.plan.strategies import STRATEGIES
from signbin.quant import ACTIVATION_QUANTIZERS, ESTIMATORS, QUANTIZERS
from signbin.report.markdown import table
from signbin.train.data import DATASETS
from signbin.train.models import MODELS


def sentence(thing: Any) -> str:
    """The first paragraph of its docstring, as Markdown that shows formulas as they are."""
    return as_markdown(" ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split()))


def file_of(thing: Any) -> str:
    """Where it is written, from the package's root."""
    path = Path(inspect.getsourcefile(thing) or "").resolve()
    return f"`{path.relative_to(PACKAGE)}`"


def listed(things: Mapping[str, Any]) -> str:
    """Name, first sentence, file."""
    rows = [(f"`{name}`", sentence(each), file_of(each)) for name, each in things.items()]
    return table(("name", "what it is", "file"), rows)


def quantizers() -> str:
    """Weight quantisers."""
    return listed(QUANTIZERS)


def estimators() -> str:
    """Surrogate gradients."""
    return listed(ESTIMATORS)


def activation_quantizers() -> str:
    """Quantisers of activations."""
    return listed(ACTIVATION_QUANTIZERS)


def operations() -> str:
    """Operations of the intermediate representation, by their formulas."""
    rows = [
        (f"`{op.name}`", as_markdown(op.formula), ", ".join(op.attributes)) for op in OPS.values()
    ]
    return table(("operation", "formula", "attributes"), rows)


def functions() -> str:
    """What the operation unary can apply to every element."""
    rows = [(f"`{name}`", as_markdown(row.formula)) for name, row in FUNCTIONS.items()]
    return table(("function", "formula"), rows)


def passes() -> str:
    """Passes in the order in which they run."""
    return listed({each.__name__: each for each in PASSES})


def strategies() -> str:
    """Strategies; which of them compete without being asked for."""
    rows = [
        (f"`{rule.strategy.value}`", sentence(type(rule)), "yes" if rule.competes else "", file)
        for rule in STRATEGIES
        if (file := file_of(type(rule)))
    ]
    return table(("strategy", "what it does", "competes unasked", "file"), rows)


def kernel_families() -> str:
    """Kernel families: what they run, for which instruction sets, in how many rows."""
    families: dict[tuple[str, str], list[Any]] = {}
    for kernel in native.kernels():
        families.setdefault((kernel.strategy, kernel.op), []).append(kernel)
    rows = [
        (
            f"`{family}`",
            f"`{op}`",
            ", ".join(dict.fromkeys(kernel.activations for kernel in members)),
            ", ".join(dict.fromkeys(kernel.isa for kernel in members)),
            str(len(members)),
        )
        for (family, op), members in sorted(families.items())
    ]
    head = ("family", "operation", "reads", "instruction sets", "rows")
    return table(head, rows, numbers_from=4)


def peers() -> str:
    """Engines to race against."""
    rows = [
        (f"`{engine.name}`", engine.description, f"`{engine.file.relative_to(PACKAGE)}`")
        for engine in PEERS.values()
    ]
    return table(("engine", "as it is raced", "file"), rows)


def on_codes() -> str:
    """What operations do with codes; those that say the same stand in one row."""
    said: dict[str, list[str]] = {}
    for op in OPS.values():
        if op.on_codes:
            said.setdefault(op.on_codes, []).append(op.name)
    rows = [(", ".join(names), as_markdown(text)) for text, names in said.items()]
    return table(("operation", "on codes"), rows)


def accelerators() -> str:
    """Accelerator models."""
    rows = [
        (f"`{each.name}`", each.summary, f"`{each.default}`", file_of(each.count))
        for each in ACCELERATORS
    ]
    return table(("accelerator", "what it models", "configuration unasked", "file"), rows)


def price_tables() -> str:
    """Energy tables: title and unit."""
    tables = map(load_table, table_names())
    rows = [(f"`{each.name}`", each.title, each.unit) for each in tables]
    return table(("energy table", "source", "unit"), rows)


def recipes() -> str:
    """Training recipes, by the comment they begin with."""
    rows = []
    for path in sorted((PACKAGE / "train" / "recipes").glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        head = itertools.takewhile(lambda line: line.startswith("#"), lines)
        rows.append((f"`{path.stem}`", " ".join(line.removeprefix("# ") for line in head)))
    return table(("recipe", "what it trains"), rows)


def data_and_networks() -> str:
    """What a recipe may name."""
    names = (("data.name", DATASETS), ("model.name", MODELS))
    rows = [(f"`{key}`", ", ".join(f"`{name}`" for name in list_)) for key, list_ in names]
    return table(("key of a recipe", "what it may name"), rows)


def verbs() -> str:
    """The verbs of the command line."""
    rows = [(f"`{name}`", sentence(verb), file_of(verb)) for name, verb in VERBS.items()]
    return table(("verb", "what it does", "file"), rows)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    each.__name__: each
    for each in (
        *(verbs, quantizers, estimators, activation_quantizers, recipes, data_and_networks),
        *(
            operations,
            functions,
            on_codes,
            passes,
            strategies,
            kernel_families,
            peers,
            accelerators,
            price_tables,
        ),
    )
}
