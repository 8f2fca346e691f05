"""State dicts: float checkpoints load strictly, and quantised ones come back unchanged."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from signbin.quant import Binary, Offset, QuantConfig, Quantizer, SignedBinary, Ternary, quantize_
from signbin.spec import ScaleKind

QUANTIZERS: dict[str, Quantizer] = {
    "signed_binary": SignedBinary.released(),
    "centred": SignedBinary(offset=Offset.CENTRED),
    "regions": SignedBinary(region_channels=3),
    "learned": SignedBinary.released(scale=ScaleKind.LEARNED),
    "learned_offset": SignedBinary(offset=Offset.LEARNED, density=0.2, chunks=1),
    "binary": Binary(),
    "binary_learned": Binary(scale=ScaleKind.LEARNED),
    "ternary": Ternary(),
}
every_quantizer = pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
stateless = pytest.mark.parametrize("name", ["signed_binary", "centred", "binary", "ternary"])
Build = Callable[[], nn.Sequential]


def quantised(build: Build, quantizer: Quantizer) -> nn.Sequential:
    model = build()
    quantize_(model, QuantConfig(quantizer))
    return model.eval()


@every_quantizer
def test_a_float_checkpoint_loads_strictly_as_if_it_had_been_quantised(
    network: Build, quantizer: Quantizer
) -> None:
    trained = network().eval()
    model = quantised(network, quantizer)
    result = model.load_state_dict(trained.state_dict(), strict=True)
    assert result.missing_keys == result.unexpected_keys == []
    quantize_(trained, QuantConfig(quantizer))
    image = torch.randn(2, 3, 8, 8)
    assert torch.equal(model(image), trained(image))


@stateless
def test_a_quantised_checkpoint_loads_strictly_into_the_float_model(
    network: Build, name: str
) -> None:
    model = quantised(network, QUANTIZERS[name])
    assert list(model.state_dict()) == list(network().state_dict())
    plain = network()
    plain.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(plain[2].weight, model[2].weight), "the latent weights"


@pytest.mark.parametrize(
    ("name", "extra"), [("regions", "weight_sign"), ("learned", "weight_scale")]
)
def test_what_a_quantiser_adds_has_keys_of_its_own(network: Build, name: str, extra: str) -> None:
    keys = set(quantised(network, QUANTIZERS[name]).state_dict()) - set(network().state_dict())
    assert keys == {f"{layer}.{extra}" for layer in (2, 4, 6)}


@every_quantizer
def test_a_quantised_checkpoint_comes_back_unchanged(network: Build, quantizer: Quantizer) -> None:
    model = quantised(network, quantizer)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("weight_scale"):
                tensor.mul_(1.7)
            if name.endswith("weight_sign"):
                tensor.neg_()
    twin = quantised(network, quantizer)
    image = torch.randn(2, 3, 8, 8)
    assert not torch.equal(twin(image), model(image))
    twin.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(twin(image), model(image))


def test_signs_of_a_checkpoint_win_over_the_seed(network: Build) -> None:
    model = quantised(network, SignedBinary(region_channels=3, seed=1))
    other = quantised(network, SignedBinary(region_channels=3, seed=2))
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(other[2].weight_sign, model[2].weight_sign)


@every_quantizer
def test_absent_state_takes_its_default_also_when_it_was_something_else(
    network: Build, quantizer: Quantizer
) -> None:
    model, fresh = quantised(network, quantizer), quantised(network, quantizer)
    checkpoint = network().state_dict()
    with torch.no_grad():
        for layer in (2, 4, 6):
            for state in model[layer].quantizer_state().values():
                state.neg_()
    for target in (model, fresh):
        target.load_state_dict(checkpoint, strict=True)
    image = torch.randn(2, 3, 8, 8)
    assert torch.equal(model(image), fresh(image))


@every_quantizer
def test_a_model_built_on_the_meta_device_loads_by_assignment(
    network: Build, quantizer: Quantizer
) -> None:
    expected = quantised(network, quantizer)
    with torch.device("meta"):
        model = network()
    quantize_(model, QuantConfig(quantizer))
    for checkpoint in (expected.state_dict(), network().state_dict()):
        expected.load_state_dict(checkpoint)
        model.load_state_dict(checkpoint, strict=True, assign=True)
        image = torch.randn(2, 3, 8, 8)
        assert torch.equal(model.eval()(image), expected(image))


@every_quantizer
def test_really_missing_and_unexpected_keys_are_still_reported(
    network: Build, quantizer: Quantizer
) -> None:
    checkpoint = network().state_dict()
    checkpoint["2.other"] = checkpoint.pop("2.weight")
    result = quantised(network, quantizer).load_state_dict(checkpoint, strict=False)
    assert "2.weight" in result.missing_keys
    assert result.unexpected_keys == ["2.other"]
    with pytest.raises(RuntimeError, match="Missing key"):
        quantised(network, quantizer).load_state_dict(checkpoint, strict=True)


def test_state_of_another_quantiser_is_unexpected(network: Build) -> None:
    checkpoint = quantised(network, QUANTIZERS["regions"]).state_dict()
    with pytest.raises(RuntimeError, match=r"Unexpected key.*2\.weight_sign"):
        quantised(network, QUANTIZERS["signed_binary"]).load_state_dict(checkpoint)


def test_signs_other_than_plus_and_minus_one_are_an_error_that_names_the_layer(
    network: Build,
) -> None:
    model = quantised(network, QUANTIZERS["regions"])
    checkpoint = model.state_dict()
    checkpoint["4.weight_sign"] = torch.zeros_like(checkpoint["4.weight_sign"])
    with pytest.raises(RuntimeError, match=r"4: weight_sign .* allowed: -1 and"):
        model.load_state_dict(checkpoint)
