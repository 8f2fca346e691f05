"""Quantisers, estimators and activation quantisers of one's own, by their names in JSON."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import signbin.quant.activations
import signbin.quant.estimators
import signbin.quant.quantizers
from signbin.errors import SpecError
from signbin.quant import (
    ACTIVATION_QUANTIZERS,
    ESTIMATORS,
    QUANTIZERS,
    ActivationQuantizer,
    Backward,
    Estimator,
    QuantConfig,
    Quantizer,
    State,
    StraightThrough,
    WeightParts,
    filter_scale,
    quantize_,
    quantized_layers,
    register_activation_quantizer,
    register_estimator,
    register_quantizer,
    scale_state,
    sign,
)
from signbin.spec import ScaleKind, ValueSet


@dataclasses.dataclass(frozen=True)
class MeanBinary(Quantizer):
    """sign(w - mean of the filter), scale learned."""

    push: float = 0.0

    kind = "mean_binary"
    value_set = ValueSet.BINARY
    granularity = "filter"

    def own_estimator(self) -> Estimator:
        return Doubled()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        return {"weight_scale": scale_state(weight, torch.ones_like(weight))}

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        mean = weight.detach().flatten(1).mean(1).reshape((-1,) + (1,) * (weight.dim() - 1))
        codes = sign(weight - mean - self.push)
        return WeightParts(codes, mean, filter_scale(ScaleKind.LEARNED, weight, codes, state))


@dataclasses.dataclass(frozen=True)
class Doubled(Estimator):
    """dL/dw = 2 dL/dq."""

    kind = "doubled"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        return 2 * latent


@dataclasses.dataclass(frozen=True)
class Rounded(ActivationQuantizer):
    """round(x)."""

    kind = "rounded"

    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        return x + (x.round() - x).detach()


LISTS: list[tuple[Callable[[Any], Any], Mapping[str, type], type, Any]] = [
    (register_quantizer, QUANTIZERS, MeanBinary, signbin.quant.quantizers),
    (register_estimator, ESTIMATORS, Doubled, signbin.quant.estimators),
    (register_activation_quantizer, ACTIVATION_QUANTIZERS, Rounded, signbin.quant.activations),
]


@pytest.fixture(autouse=True)
def taken_out_again() -> Iterator[None]:
    yield
    for _, listed, added, module in LISTS:
        if added.kind in listed:  # type: ignore[attr-defined]  # every listed class has one
            del module._KINDS[added.kind]  # type: ignore[attr-defined]  # as above


def test_what_is_registered_is_read_trained_and_compiled_like_what_comes_with_signbin(
    network: Callable[[], nn.Sequential],
) -> None:
    for register, listed, added, _ in LISTS:
        assert register(added) is added
        assert listed[added.kind] is added  # type: ignore[attr-defined]  # every one has a kind
        register(added)  # a module that is loaded again
    config = QuantConfig(MeanBinary(push=0.01), activation=Rounded())
    assert QuantConfig.from_json(config.to_json()) == config
    assert QuantConfig.from_json({"weight": {"kind": "mean_binary"}}).estimator == Doubled()
    model = network()
    quantize_(model, config)
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    for layer in quantized_layers(model).values():
        assert layer.weight.grad is not None
        assert layer.low_bit().value_set is ValueSet.BINARY


def test_an_estimator_of_a_former_name_is_ones_own() -> None:
    @register_estimator
    @dataclasses.dataclass(frozen=True)
    class Mine(Doubled):
        kind = "identity"

    try:
        assert QuantConfig.from_json(QuantConfig(estimator=Mine()).to_json()).estimator == Mine()
    finally:
        del signbin.quant.estimators._KINDS["identity"]


def test_what_is_not_registered_is_refused_by_the_reader() -> None:
    with pytest.raises(SpecError, match="kind of quantizer: got 'mean_binary'"):
        QuantConfig.from_json(QuantConfig(MeanBinary(), StraightThrough()).to_json())


class NotADataclass(MeanBinary):
    kind = "not_a_dataclass"


@dataclasses.dataclass(frozen=True)
class WithoutKind(MeanBinary):
    pass


@dataclasses.dataclass(frozen=True)
class Taken(MeanBinary):
    kind = "binary"


@dataclasses.dataclass(frozen=True)
class Spaced(MeanBinary):
    kind = "mean binary"


@dataclasses.dataclass(frozen=True)
class Abstract(Quantizer):
    kind = "abstract"


@dataclasses.dataclass(frozen=True)
class Demanding(Estimator):
    strength: float

    kind = "demanding"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        return latent * self.strength


@pytest.mark.parametrize(
    ("register", "wrong", "message"),
    [
        (register_quantizer, NotADataclass, "a dataclass.frozen=True. whose fields all have def"),
        (register_quantizer, WithoutKind, "kind of WithoutKind: got None; allowed: a name of its"),
        (register_quantizer, Taken, "kind of Taken: got 'binary'.*binary is Binary"),
        (register_quantizer, Spaced, "kind of Spaced: got 'mean binary'"),
        (register_quantizer, Abstract, "a subclass of Quantizer without abstract methods"),
        (register_quantizer, Doubled, "a subclass of Quantizer"),
        (register_quantizer, MeanBinary(), "a subclass of Quantizer"),
        (register_estimator, Demanding, "whose fields all have defaults"),
        (register_activation_quantizer, MeanBinary, "a subclass of ActivationQuantizer"),
    ],
)
def test_a_class_that_could_not_be_read_back_is_refused(
    register: Callable[[Any], Any], wrong: Any, message: str
) -> None:
    before = dict(QUANTIZERS), dict(ESTIMATORS), dict(ACTIVATION_QUANTIZERS)
    with pytest.raises(SpecError, match=message):
        register(wrong)
    assert (dict(QUANTIZERS), dict(ESTIMATORS), dict(ACTIVATION_QUANTIZERS)) == before
