"""YAML, read strictly: no key twice, no document that grows, and ``2e-3`` is a number."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from signbin.errors import SpecError

__all__ = ["read_yaml", "write_yaml"]

# YAML 1.1 takes 2e-3 and 1e5 for strings; YAML 1.2 and everybody who writes them mean numbers.
_FLOAT: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z")

_MOST_CHARACTERS: Final = 32 * 1024
_MOST_VALUES: Final = 8_192  # with every alias written out
_DEEPEST: Final = 64


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice in one mapping, and more than anybody writes."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node, while the ones around it are not too many."""
        if self._depth > _DEEPEST:
            raise yaml.YAMLError(f"nested deeper than {_DEEPEST}")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        """The document as nodes, before a value is made of any."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _extent(node, {}) > _MOST_VALUES:
            raise yaml.YAMLError(f"more than {_MOST_VALUES} values, its aliases written out")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"line {line}: a key that is not a plain value")
            if key.value in seen:
                raise yaml.YAMLError(f"line {line}: the key {key.value!r} appears twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _extent(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Values in a node, itself included, an alias counted as all that it stands for."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        extent = known[id(node)]
        if extent is None:
            raise yaml.YAMLError("an alias inside what it stands for")
        return extent
    known[id(node)] = None
    mapping = isinstance(node, yaml.MappingNode)
    inner = [each for pair in node.value for each in pair] if mapping else node.value
    extent = 1 + sum(_extent(each, known) for each in inner)
    known[id(node)] = extent
    return extent


_StrictLoader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_yaml(text: str, name: str) -> object:
    """Parse one YAML document; SpecError, saying where, for anything malformed.

    name: what to call the document in the message.
    """
    if len(text) > _MOST_CHARACTERS:
        raise SpecError(
            f"{name} is too long",
            value=f"{len(text):,} characters",
            allowed=f"at most {_MOST_CHARACTERS:,}",
        )
    try:
        # The loader is a SafeLoader: it builds plain values only.
        return yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(
            f"{name} is not YAML", reason=str(error), remedy="correct it at that place"
        ) from error


def write_yaml(document: object) -> str:
    """A document of plain values as YAML text, keys in their order."""
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)
    return text
