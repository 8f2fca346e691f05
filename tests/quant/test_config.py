"""Configurations become JSON and come back equal; anything else is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import SpecError
from signbin.quant import (
    ACTIVATION_QUANTIZERS,
    ESTIMATORS,
    QUANTIZERS,
    AbcNet,
    Binary,
    ClippedStraightThrough,
    DistributionSensitiveDecay,
    DoReFa,
    Dsq,
    ErrorDecay,
    GreedyFoldings,
    LearnedClip,
    LqNets,
    Offset,
    Progressive,
    ProgressiveTanh,
    ProxQuant,
    QuantConfig,
    ReCu,
    SharedZeroBinary,
    ShiftedErrorDecay,
    SignActivation,
    SignedBinary,
    SoftQuantization,
    Support,
    Ternary,
    TrainedTernary,
    activation_quantizer_from_json,
    estimator_from_json,
    quantizer_from_json,
)
from signbin.spec import Granularity, ScaleKind

positive = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**63 - 1)
scales = st.sampled_from(ScaleKind)
bits = st.integers(1, 4)
# Quantisers with options; all others are drawn from the list.
OPTIONS = (
    st.builds(
        SignedBinary,
        threshold_factor=positive,
        region_channels=st.none() | st.integers(1, 512),
        positive_share=st.floats(0, 1),
        seed=seeds,
        scale=scales,
        offset=st.sampled_from(Offset),
        per=st.sampled_from(Granularity),
        chunks=st.none() | st.integers(1, 9),
    ),
    st.builds(SignedBinary, density=positive, anneal=st.floats(0, 1)),
    st.builds(
        SharedZeroBinary,
        density=positive,
        group_filters=st.integers(1, 64),
        support=st.sampled_from(Support),
        seed=seeds,
        scale=scales,
    ),
    st.builds(Binary, scale=scales),
    st.builds(
        Ternary,
        threshold_factor=positive,
        per=st.sampled_from(Granularity),
        scale=st.sampled_from([ScaleKind.NONE, ScaleKind.HE, ScaleKind.MEAN]),
    ),
    st.builds(TrainedTernary, threshold_factor=positive),
    st.builds(DoReFa, bits=bits),
    st.builds(LqNets, bits=bits, averaging=positive),
    st.builds(AbcNet, bases=st.integers(2, 8)),
    st.builds(GreedyFoldings, foldings=st.integers(2, 8)),
    st.builds(ReCu, tau_min=st.floats(0.51, 0.8), tau_max=st.floats(0.8, 0.99)),
)
FREE = [kind for kind in QUANTIZERS.values() if not kind.brings_gradient]
QUANTIZER = st.one_of(*OPTIONS, st.sampled_from([kind() for kind in FREE]))
ESTIMATOR = st.one_of(
    st.sampled_from([kind() for kind in ESTIMATORS.values()]),
    st.builds(ClippedStraightThrough, gradient_limit=st.none() | st.floats(0.1, 10)),
    st.builds(ErrorDecay, t_min=positive, t_max=st.floats(1, 100)),
    st.builds(ShiftedErrorDecay, t_min=positive, t_max=st.floats(1, 100)),
    st.builds(DistributionSensitiveDecay, updated=positive, least_slope=positive),
    st.builds(ProgressiveTanh, l_min=positive, l_max=st.floats(1, 100)),
    st.builds(SoftQuantization, softness=positive, limit=st.floats(0.1, 10)),
)
ACTIVATION = st.none() | st.one_of(
    st.sampled_from([kind() for kind in ACTIVATION_QUANTIZERS.values()]),
    st.builds(SignActivation, estimator=ESTIMATOR),
    st.builds(LearnedClip, bits=st.integers(1, 8), clip=st.floats(0.5, 20)),
)
CONFIG = st.one_of(
    st.builds(
        QuantConfig,
        weight=QUANTIZER,
        estimator=ESTIMATOR,
        activation=ACTIVATION,
        standardize=st.booleans(),
        start=st.floats(0, 1),
        centre_inputs=st.booleans(),
    ),
    st.builds(
        QuantConfig,
        weight=st.one_of(
            st.builds(ProxQuant, rate=positive, freeze=positive),
            st.builds(Dsq, softness=st.floats(0.01, 0.5)),
            st.builds(Progressive, l_max=st.floats(1.5, 100)),
        ),
    ),
)


@given(config=CONFIG)
@settings(max_examples=200, deadline=None)
def test_every_configuration_round_trips_through_json(config: QuantConfig) -> None:
    read = QuantConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert read == config
    assert hash(read) == hash(config)


def test_the_default_is_centred_signed_binary_without_clipping() -> None:
    assert QuantConfig().to_json() == {
        "weight": {
            "kind": "signed_binary",
            "threshold_factor": 0.05,
            "region_channels": None,
            "positive_share": 0.5,
            "seed": 0,
            "scale": "he",
            "offset": "centred",
            "per": "filter",
            "density": None,
            "anneal": 0.0,
            "chunks": None,
        },
        "estimator": {"kind": "straight_through"},
        "activation": None,
        "standardize": False,
        "start": 0.0,
        "centre_inputs": False,
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
    for kind, activation in ACTIVATION_QUANTIZERS.items():
        assert activation_quantizer_from_json({"kind": kind}) == activation()


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_an_estimator_left_out_is_that_of_the_quantisers_paper(kind: str) -> None:
    config = QuantConfig(QUANTIZERS[kind]())
    assert config.estimator == QUANTIZERS[kind]().own_estimator()
    assert QuantConfig.from_json({"weight": {"kind": kind}}) == config


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("signed_binary", "QuantConfig"),
        ({"weights": {}}, "an object with weight, estimator, activation, standardize, start, cent"),
        ({"weight": {}}, "kind of quantizer: got None; allowed: signed_binary, shared_zero"),
        ({"weight": {"kind": "float"}}, "kind of quantizer: got 'float'"),
        ({"weight": {"kind": ["binary"]}}, "kind of quantizer"),
        ({"weight": None}, "allowed: a quantiser"),
        ({"weight": 3}, "allowed: a mapping of keys to values"),
        ({"activation": {"kind": "relu"}}, "kind of activation quantizer: got 'relu'"),
        ({"standardize": 1}, "standardize: got 1; allowed: True or False"),
        ({"start": 1.5}, "start: got 1.5"),
        (
            {"weight": {"kind": "dsq"}, "estimator": {"kind": "identity"}},
            "estimator beside dsq: got 'straight_through'; allowed: none: dsq brings its own",
        ),
        ({"weight": {"kind": "binary", "seed": 1}}, "key of binary: got 'seed'.*scale"),
        ({"weight": {"kind": "binary", "scale": "max"}}, "binary.scale.*none, he, mean, learned"),
        ({"weight": {"kind": "binary", "scale": ["mean"]}}, "binary.scale"),
        ({"weight": {"kind": "signed_binary", "seed": "1"}}, "seed.*a whole number"),
        ({"weight": {"kind": "signed_binary", "threshold_factor": 2}}, "0 <= value <= 1"),
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
