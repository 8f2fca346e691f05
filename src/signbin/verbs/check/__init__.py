"""What a network would cost before anybody trains it: coverage, size, memory and time."""

from signbin.verbs.check.gates import Gates
from signbin.verbs.check.machines import rates_of
from signbin.verbs.check.network import check, check_graph, check_source
from signbin.verbs.check.record import Coverage, LayerCheck, NetworkCheck, SchemeCheck
from signbin.verbs.check.schemes import SCHEMES, Scheme, schemes_of, signed_binary

__all__ = [
    "SCHEMES",
    "Coverage",
    "Gates",
    "LayerCheck",
    "NetworkCheck",
    "Scheme",
    "SchemeCheck",
    "check",
    "check_graph",
    "check_source",
    "rates_of",
    "schemes_of",
    "signed_binary",
]
