"""Configurations become JSON and come back equal; anything else is refused by name."""

import doctest
import importlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.quant import (
    ESTIMATORS,
    QUANTIZERS,
    Binary,
    ClippedStraightThrough,
    ErrorDecay,
    Identity,
    QuantConfig,
    ShiftedErrorDecay,
    SignedBinary,
    Ternary,
    estimator_from_json,
    quantizer_from_json,
)
from signbin.spec import Granularity, ScaleKind

positive = st.floats(0.01, 0.99)
QUANTIZER = st.one_of(
    st.builds(
        SignedBinary,
        threshold_factor=positive,
        region_channels=st.none() | st.integers(1, 512),
        positive_share=st.floats(0, 1),
        seed=st.integers(0, 2**63 - 1),
        scale=st.sampled_from(ScaleKind),
        centred=st.booleans(),
    ),
    st.builds(Binary, scale=st.sampled_from(ScaleKind)),
    st.builds(
        Ternary,
        threshold_factor=positive,
        per=st.sampled_from(Granularity),
        scale=st.sampled_from([ScaleKind.NONE, ScaleKind.MEAN]),
    ),
)
ESTIMATOR = st.one_of(
    st.sampled_from([ClippedStraightThrough(), Identity()]),
    st.builds(ErrorDecay, t_min=positive, t_max=st.floats(1, 100)),
    st.builds(ShiftedErrorDecay, t_min=positive, t_max=st.floats(1, 100)),
)


@given(config=st.builds(QuantConfig, weight=QUANTIZER, estimator=ESTIMATOR))
@settings(max_examples=60, deadline=None)
def test_every_configuration_round_trips_through_json(config: QuantConfig) -> None:
    read = QuantConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert read == config
    assert hash(read) == hash(config)


def test_the_default_is_the_released_method() -> None:
    assert QuantConfig().to_json() == {
        "weight": {
            "kind": "signed_binary",
            "threshold_factor": 0.05,
            "region_channels": None,
            "positive_share": 0.5,
            "seed": 0,
            "scale": "none",
            "centred": False,
        },
        "estimator": {"kind": "clipped_straight_through"},
    }


def test_absent_keys_take_the_defaults() -> None:
    assert QuantConfig.from_json({}) == QuantConfig()
    assert quantizer_from_json({"kind": "ternary", "per": "filter"}) == Ternary(
        per=Granularity.FILTER
    )
    assert estimator_from_json({"kind": "shifted_ede"}) == ShiftedErrorDecay()


def test_every_listed_class_is_read_by_its_kind() -> None:
    for kind, quantizer in QUANTIZERS.items():
        assert quantizer_from_json({"kind": kind}) == quantizer()
    for kind, estimator in ESTIMATORS.items():
        assert estimator_from_json({"kind": kind}) == estimator()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("signed_binary", "QuantConfig"),
        ({"weights": {}}, 'an object with "weight" and "estimator"'),
        ({"weight": {}}, "kind of quantizer: got None; allowed: signed_binary, binary, ternary"),
        ({"weight": {"kind": "float"}}, "kind of quantizer: got 'float'"),
        ({"weight": {"kind": ["binary"]}}, "kind of quantizer"),
        ({"weight": None}, "allowed: a JSON object"),
        ({"weight": {"kind": "binary", "seed": 1}}, "option of binary: got 'seed'.*scale"),
        ({"weight": {"kind": "binary", "scale": "max"}}, "binary.scale.*none, mean, learned"),
        ({"weight": {"kind": "binary", "scale": ["mean"]}}, "binary.scale"),
        ({"weight": {"kind": "signed_binary", "seed": "1"}}, "seed.*a whole number"),
        ({"weight": {"kind": "signed_binary", "threshold_factor": 2}}, "0 < value <= 1"),
        ({"estimator": {"kind": "ste"}}, "kind of estimator: got 'ste'; allowed: clipped_"),
        ({"estimator": {"kind": "identity", "t_min": 1}}, "allowed: none"),
    ],
)
def test_a_wrong_document_is_refused_by_name(document: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        QuantConfig.from_json(document)


def test_the_kind_of_another_class_is_refused() -> None:
    with pytest.raises(SpecError, match="kind: got 'ternary'; allowed: 'binary'"):
        Binary.from_json(Ternary().to_json())


@pytest.mark.parametrize("arguments", [{"weight": "binary"}, {"estimator": Binary()}])
def test_parts_of_another_type_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"QuantConfig\."):
        QuantConfig(**arguments)


@pytest.mark.parametrize("module", ["config", "health"])
def test_the_examples_in_the_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"signbin.quant.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
