"""Recipes: training configurations in YAML, shipped with the package or written by users."""

from __future__ import annotations

import copy
import importlib.resources
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbin.documents import from_document, nearest, to_document
from signbin.errors import SpecError
from signbin.files import MOST_SETTINGS_BYTES, read_text
from signbin.strict_yaml import read_yaml
from signbin.train.config import TrainConfig

__all__ = ["load_recipe", "parse_override", "recipe_names", "recipe_purpose"]


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with signbin, in alphabetical order."""
    folder = importlib.resources.files("signbin.train").joinpath("recipes")
    names = [Path(entry.name) for entry in folder.iterdir()]
    return tuple(sorted(name.stem for name in names if name.suffix == ".yaml"))


def recipe_purpose(name: str) -> str:
    """What a recipe that comes with signbin trains: the first sentence of its comment."""
    lines = _text_and_name(name)[0].splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    text = " ".join(line.lstrip("# ").strip() for line in comment)
    return re.split(r"(?<=[^.])[.;:] | \(", f"{text} ", maxsplit=1)[0].rstrip(". ")


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
    config = from_document(TrainConfig, read_yaml(*_text_and_name(name_or_path)))
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


def _text_and_name(name_or_path: str | Path) -> tuple[str, str]:
    if isinstance(name_or_path, Path) or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        try:
            return read_text(path, MOST_SETTINGS_BYTES), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                "recipe file",
                value=str(path),
                reason=str(error),
                allowed="a YAML file in UTF-8",
                remedy=f"check the path, or name a recipe: {', '.join(recipe_names())}",
            ) from error
    if name_or_path not in recipe_names():
        raise SpecError(
            "recipe",
            value=name_or_path,
            allowed=", ".join(recipe_names()),
            remedy="or give the path of a .yaml file",
        )
    folder = importlib.resources.files("signbin.train").joinpath("recipes")
    return folder.joinpath(f"{name_or_path}.yaml").read_text(encoding="utf-8"), name_or_path


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
