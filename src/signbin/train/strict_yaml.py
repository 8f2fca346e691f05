"""YAML, read strictly: duplicate keys are errors, and ``2e-3`` is a number."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from signbin.errors import SpecError

__all__ = ["read_yaml", "write_yaml"]

# YAML 1.1 takes 2e-3 and 1e5 for strings; YAML 1.2 and everybody who writes them mean numbers.
_FLOAT: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z")


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice in one mapping."""

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


_StrictLoader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_yaml(text: str, name: str) -> object:
    """Parse one YAML document; SpecError, saying where, for anything malformed.

    name: what to call the document in the message.
    """
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
