"""Drafts of graphs: how an operator, called as PyTorch calls it, becomes nodes of the IR.

Every reader of models says what it found in this one vocabulary, operators of ATen with their
arguments by name, and numpy arrays for what is known beforehand.
"""

from __future__ import annotations

from signbin.draft.call import (
    Call,
    Drafted,
    Entry,
    Folded,
    Parts,
    Regrouped,
    Symbolic,
    Unsupported,
    Variable,
    legal_name,
    shown,
)
from signbin.draft.findings import Finding, raise_findings
from signbin.draft.low_bit import recognize
from signbin.draft.operators import ALLOWED, OPERATORS, REMEDIES

__all__ = [
    "ALLOWED",
    "OPERATORS",
    "REMEDIES",
    "Call",
    "Drafted",
    "Entry",
    "Finding",
    "Folded",
    "Parts",
    "Regrouped",
    "Symbolic",
    "Unsupported",
    "Variable",
    "legal_name",
    "raise_findings",
    "recognize",
    "shown",
]
