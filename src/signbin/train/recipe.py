"""Recipes: training configurations in YAML, shipped with the package or written by users."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbin.documents import from_document, to_document
from signbin.errors import SpecError, nearest
from signbin.shipped import RECIPES
from signbin.strict_yaml import read_yaml
from signbin.train.config import TrainConfig

__all__ = ["load_recipe", "parse_override", "recipe_names"]


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with signbin, in alphabetical order."""
    return RECIPES.names()


def load_recipe(
    name_or_path: str | Path, overrides: Mapping[str, Any] | None = None
) -> TrainConfig:
    """The configuration a recipe describes, with some of its values replaced.

    name_or_path: a name of :func:`recipe_names`, or a YAML file (a path, or a text that ends in
    .yaml or .yml). overrides: dotted keys to plain values, as {"weights": "binary",
    "optimizer.learning_rate": 0.01}; a mapping replaces everything under its key, and a new
    ``kind`` drops the options of the old one. Applied in order.

    SpecError for an unknown recipe, key or value.
    """
    config = from_document(TrainConfig, read_yaml(*RECIPES.read(name_or_path)))
    if not overrides:
        return config
    document = to_document(config)
    for key, value in overrides.items():
        _replace(document, key, value)
    return from_document(TrainConfig, document)


def parse_override(text: str) -> tuple[str, Any]:
    """``key=value`` as (key, value), the value read as YAML: ``seeds=[0, 1]``, ``epochs=3``."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise SpecError("override", value=text, allowed="key=value")
    return key.strip(), read_yaml(value, f"the value of {key.strip()}")


def _replace(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; the last part may be new (the strict reader judges it), others not."""
    *parents, last = key.split(".")
    target: Any = document
    for depth, part in enumerate(parents):
        if not isinstance(target, dict) or part not in target:
            where = ".".join(parents[: depth + 1])
            known = target if isinstance(target, dict) else {}
            allowed = ", ".join(known) or "no keys below a value"
            raise SpecError("override", value=where, allowed=allowed, remedy=nearest(part, known))
        target = target[part]
    if not isinstance(target, dict):
        raise SpecError("override", value=key, allowed="no keys below a value")
    if last == "kind" and target.get("kind") != value:
        target.clear()
    target[last] = copy.deepcopy(value)
