"""Accelergy's files: action counts and an energy reference table, as YAML text.

Both are the interchange of the Accelergy project: ``action_counts`` with ``local`` components and
an ``ERT`` with ``tables``, format 0.3. Static energy is the action ``leak``, counted per instance
and cycle. A table of relative figures is written as it is; its name says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from signbin.analysis.counts import Action, Component, Counts
from signbin.analysis.tables import EnergyTable

__all__ = ["action_counts_yaml", "reference_table_yaml"]

_VERSION = "0.3"


def action_counts_yaml(counts: Counts, root: str = "system") -> str:
    """The ``action_counts`` document of one layer or model."""
    lines = ["action_counts:", f"  version: {_VERSION}", "  local:"]
    for component in _components(counts.actions):
        lines += [f"    - name: {root}.{component.value}", "      action_counts:"]
        for action in _actions(component, counts.actions):
            lines += [f"        - name: {_name(action)}", f"          counts: {counts[action]!r}"]
    return "\n".join([*lines, ""])


def reference_table_yaml(table: EnergyTable, root: str = "system") -> str:
    """The energy reference table: energies in the table's unit, the sources as comments."""
    lines = [
        f"# {table.title}; energies in {table.unit}",
        "ERT:",
        f"  version: {_VERSION}",
        "  tables:",
    ]
    sources = {row.action: f"{row.node}: {row.source}" for row in table.rows}
    for component in _components(table.prices):
        lines += [f"    - name: {root}.{component.value}", "      actions:"]
        for action in _actions(component, table.prices):
            lines += [
                f"        # {' '.join(sources[action].split())}",
                f"        - name: {_name(action)}",
                f"          energy: {table.prices[action]!r}",
            ]
    return "\n".join([*lines, ""])


def _components(actions: Iterable[Action]) -> list[Component]:
    used = {action.component for action in actions}
    return [component for component in Component if component in used]


def _actions(component: Component, actions: Iterable[Action]) -> list[Action]:
    chosen = set(actions)
    return [action for action in Action if action in chosen and action.component is component]


def _name(action: Action) -> str:
    return "leak" if action.action == "static" else action.action
