"""The quantised layers behave as the nn.Conv2d and nn.Linear they are."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.quant import (
    ESTIMATORS,
    Binary,
    ErrorDecay,
    Estimator,
    Offset,
    QConv2d,
    QLinear,
    QuantConfig,
    Quantizer,
    SignedBinary,
    Ternary,
    quantize_,
    quantized_layers,
    set_progress,
)
from signbin.spec import Granularity, ScaleKind, ValueSet

QUANTIZERS: dict[str, Quantizer] = {
    "signed_binary": SignedBinary.released(),
    "centred": SignedBinary(offset=Offset.CENTRED, scale=ScaleKind.MEAN),
    "sparse": SignedBinary(offset=Offset.LEARNED, density=0.2, chunks=1),
    "regions": SignedBinary.released(region_channels=3, scale=ScaleKind.LEARNED),
    "binary": Binary(),
    "binary_learned": Binary(scale=ScaleKind.LEARNED),
    "ternary": Ternary(),
    "ternary_filter": Ternary(per=Granularity.FILTER),
}
every_quantizer = pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)


def convolution(**options: Any) -> nn.Conv2d:
    return nn.Conv2d(8, 6, 3, **options)


@every_quantizer
def test_a_converted_layer_is_a_float_layer_that_holds_the_same_parameters(
    quantizer: Quantizer,
) -> None:
    module = convolution(stride=2, padding=1).double().eval()
    module.weight.requires_grad_(False)
    layer = QConv2d.from_float(module, QuantConfig(quantizer))
    assert isinstance(layer, nn.Conv2d)
    assert layer.weight is module.weight
    assert layer.bias is module.bias
    assert not layer.training
    assert {t.dtype for t in layer.parameters()} == {torch.float64}
    assert (layer.stride, layer.padding) == ((2, 2), (1, 1))
    assert type(module) is nn.Conv2d
    assert set(module.state_dict()) == {"weight", "bias"}
    linear = QLinear.from_float(nn.Linear(5, 4, bias=False), QuantConfig(Binary()))
    assert isinstance(linear, nn.Linear)
    assert linear.bias is None


def test_hooks_and_their_handles_survive_the_conversion_both_ways() -> None:
    module = convolution()
    seen: list[str] = []
    handle = module.register_forward_hook(lambda m, i, o: seen.append(type(m).__name__))
    module.register_forward_pre_hook(lambda m, i: (i[0] * 0,))
    layer = QConv2d.from_float(module, QuantConfig())
    image = torch.randn(1, 8, 5, 5)
    assert torch.equal(layer(image)[0, :, 0, 0], layer.bias)
    layer.to_float()(image)
    assert seen == ["QConv2d", "Conv2d"]
    handle.remove()
    layer(image)
    assert len(seen) == 2


def test_a_layer_converts_on_the_device_of_its_weight() -> None:
    module = nn.Conv2d(8, 6, 3, device="meta")
    layer = QConv2d.from_float(module, QuantConfig(QUANTIZERS["regions"]))
    tensors = [*layer.parameters(), *layer.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert "density=unknown" in repr(layer)


@every_quantizer
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "bias": False},
        {"groups": 2, "dilation": 2},
        {"padding": 2, "padding_mode": "reflect"},
    ],
)
def test_forward_convolves_with_the_quantised_weight(
    quantizer: Quantizer, options: dict[str, Any]
) -> None:
    layer = QConv2d.from_float(convolution(**options), QuantConfig(quantizer))
    image = torch.randn(2, 8, 9, 7)
    plain = convolution(**options)
    weight = torch.from_numpy(layer.low_bit().dequantized().copy())
    plain.load_state_dict({**layer.to_float().state_dict(), "weight": weight})
    assert torch.equal(layer(image), plain(image))
    assert not torch.equal(layer.quantized_weight(), layer.weight)


@every_quantizer
def test_a_linear_layer_multiplies_by_the_quantised_weight(quantizer: Quantizer) -> None:
    layer = QLinear(9, 5, config=QuantConfig(quantizer))
    x = torch.randn(2, 4, 9)
    assert torch.equal(layer(x), F.linear(x, layer.quantized_weight(), layer.bias))


@every_quantizer
def test_to_float_is_a_plain_layer_with_the_same_outputs(quantizer: Quantizer) -> None:
    layer = QConv2d.from_float(convolution().eval(), QuantConfig(quantizer))
    plain = layer.to_float()
    image = torch.randn(2, 8, 9, 7)
    assert type(plain) is nn.Conv2d
    assert torch.equal(plain(image), layer(image))
    assert set(plain.state_dict()) == {"weight", "bias"}
    assert list(plain.buffers()) == []
    assert not plain.training
    assert plain.weight.requires_grad
    assert plain.weight.is_leaf
    assert isinstance(layer, QConv2d)
    assert torch.equal(layer(image), plain(image)), "the quantised layer is left as it was"


@every_quantizer
def test_the_logical_weight_is_the_quantised_weight_bit_for_bit(quantizer: Quantizer) -> None:
    layer = QConv2d.from_float(convolution(), QuantConfig(quantizer))
    low_bit = layer.low_bit()
    assert np.array_equal(low_bit.dequantized(), layer.quantized_weight().detach().numpy())
    assert low_bit.density == layer.density
    assert np.array_equal(low_bit.codes, layer.codes().numpy())


def test_the_logical_weight_has_the_value_set_of_its_quantiser() -> None:
    expected = {
        "signed_binary": ValueSet.SIGNED_BINARY,
        "centred": ValueSet.SIGNED_BINARY,
        "sparse": ValueSet.SIGNED_BINARY,
        "regions": ValueSet.TERNARY,
        "binary": ValueSet.BINARY,
        "ternary": ValueSet.TERNARY,
    }
    for name, value_set in expected.items():
        layer = QConv2d.from_float(convolution(), QuantConfig(QUANTIZERS[name]))
        assert layer.low_bit().value_set is value_set
        assert (layer.low_bit().offset is not None) == (name in {"centred", "sparse"})


def test_density_is_the_share_of_non_zero_codes() -> None:
    layer = QLinear(4, 2)
    layer.weight.data.copy_(torch.tensor([[1.0, 0.9, 0.04, -1.0], [1.0, 0.5, 0.0, -0.01]]))
    assert layer.density == 2 / 8
    binary = QLinear.from_float(nn.Linear(4, 2), QuantConfig(Binary()))
    assert binary.density == 1.0


@pytest.mark.parametrize(
    ("quantizer", "text"),
    [
        (SignedBinary(), "weight=signed_binary {0,+1} or {0,-1} per region, granularity=filter,"),
        (SignedBinary(region_channels=2), "granularity=filter, sign per 2 channels, density="),
        (Binary(), "weight=binary {-1,+1}, granularity=filter, density=1.000"),
        (Ternary(), "weight=ternary {-1,0,+1}, granularity=layer, density="),
    ],
)
def test_repr_shows_value_set_granularity_and_density(quantizer: Quantizer, text: str) -> None:
    layer = QConv2d.from_float(convolution(stride=2), QuantConfig(quantizer))
    assert repr(layer).startswith("QConv2d(8, 6, kernel_size=(3, 3), stride=(2, 2), weight=")
    assert text in repr(layer)
    assert f"density={layer.density:.3f}" in repr(layer)


# Dynamo makes an autograd.Function instance of its own to trace one, and torch warns about that.
TRACING = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")


ONE_ESTIMATOR = next(iter(ESTIMATORS))
# Every quantiser once: every estimator is traced by torch.compile below. Wide: each with each.
PAIRS = [
    pytest.param(
        quantizer,
        estimator,
        id=f"{name}-{kind}",
        marks=[] if kind == ONE_ESTIMATOR else pytest.mark.wide,
    )
    for name, quantizer in QUANTIZERS.items()
    for kind, estimator in ESTIMATORS.items()
]
# Strict export traces what torch.compile does, which is asked for every estimator below.
TRACED = [
    pytest.param(estimator, id=kind, marks=[] if kind == ONE_ESTIMATOR else pytest.mark.wide)
    for kind, estimator in ESTIMATORS.items()
]


@pytest.mark.parametrize(("quantizer", "estimator"), PAIRS)
def test_export_keeps_the_outputs(
    network: Any, quantizer: Quantizer, estimator: type[Estimator]
) -> None:
    model = network()
    quantize_(model, QuantConfig(quantizer, estimator()))
    model.eval()
    image = torch.randn(2, 3, 8, 8)
    program = torch.export.export(model, (image,), strict=False)
    assert torch.equal(program.module()(image), model(image))


@TRACING
@pytest.mark.parametrize("estimator", TRACED)
def test_strict_export_keeps_the_outputs(network: Any, estimator: type[Estimator]) -> None:
    model = network()
    quantize_(model, QuantConfig(QUANTIZERS["regions"], estimator()))
    model.eval()
    image = torch.randn(2, 3, 8, 8)
    program = torch.export.export(model, (image,), strict=True)
    assert torch.equal(program.module()(image), model(image))


@TRACING
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_a_compiled_graph_has_no_breaks_and_the_same_gradients(
    network: Any, estimator: type[Estimator]
) -> None:
    model = network()
    quantize_(model, QuantConfig(QUANTIZERS["regions"], estimator()))
    image = torch.randn(2, 3, 8, 8)
    gradients = []
    for run in (model, torch.compile(model, backend="eager", fullgraph=True)):
        model.zero_grad()
        run(image).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for expected, actual in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, expected)


def test_a_deep_copy_is_equal_and_independent() -> None:
    layer = QConv2d.from_float(convolution(), QuantConfig(QUANTIZERS["regions"]))
    twin = copy.deepcopy(layer)
    image = torch.randn(1, 8, 5, 5)
    expected = layer(image)
    assert torch.equal(twin(image), expected)
    with torch.no_grad():
        twin.weight.neg_()
        twin.get_buffer("weight_sign").neg_()
    assert torch.equal(layer(image), expected)
    assert twin.config == layer.config


@every_quantizer
def test_autocast_trains_in_bfloat16(quantizer: Quantizer) -> None:
    layer = QConv2d.from_float(convolution(), QuantConfig(quantizer, ErrorDecay()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(torch.randn(1, 8, 5, 5))
    assert output.dtype == torch.bfloat16
    output.float().square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.isfinite().all()
    assert layer.weight.grad.any()


@every_quantizer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_layer_works_in_the_dtype_it_is_moved_to(
    quantizer: Quantizer, dtype: torch.dtype
) -> None:
    layer = QConv2d.from_float(convolution(), QuantConfig(quantizer)).to(dtype)
    output = layer(torch.randn(1, 8, 5, 5, dtype=dtype))
    assert output.dtype == layer.quantized_weight().dtype == dtype


@every_quantizer
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_broken_latent_weights_show_in_the_output_and_do_not_convert(
    quantizer: Quantizer, broken: float
) -> None:
    layer = QConv2d.from_float(convolution(), QuantConfig(quantizer))
    layer.weight.data[0, 0, 0, 0] = broken
    assert layer(torch.ones(1, 8, 5, 5))[:, 0].isnan().all()
    for convert in (layer.low_bit, layer.to_float):
        with pytest.raises(SpecError, match="allowed: finite numbers"):
            convert()


def test_progress_reaches_every_estimator_and_changes_only_the_gradient(network: Any) -> None:
    model = network()
    quantize_(model, QuantConfig(SignedBinary(), ErrorDecay()))
    image = torch.randn(2, 3, 8, 8)
    outputs, gradients = [], []
    for epoch in (0, 90):
        set_progress(model, epoch, 90)
        model.zero_grad()
        outputs.append(model(image))
        outputs[-1].square().sum().backward()
        gradients.append([layer.weight.grad for layer in quantized_layers(model).values()])
    assert torch.equal(*outputs)
    assert not any(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    set_progress(nn.ReLU(), 1, 2)


@pytest.mark.parametrize(("epoch", "epochs"), [(3, 2), (-1, 2), (0, 0), (math.nan, 2)])
def test_progress_outside_training_is_refused(epoch: float, epochs: float) -> None:
    with pytest.raises(SpecError, match="0 <= epoch <= epochs"):
        set_progress(nn.Sequential(QLinear(4, 4)), epoch, epochs)


class OwnForward(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return input


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Linear(4, 4), "another layer type"),
        (OwnForward(4, 4, 1), "neither exactly"),
        (QConv2d(4, 4, 1), "already quantised"),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)), "neither exactly"),
        (nn.Conv2d(4, 4, 1, dtype=torch.complex64), "complex64"),
        (nn.ReLU(), "neither exactly"),
    ],
)
def test_only_plain_layers_convert(module: nn.Module, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        QConv2d.from_float(module, QuantConfig())  # type: ignore[arg-type]  # that is the test


def test_a_layer_with_a_replaced_forward_does_not_convert() -> None:
    module = convolution()
    module.forward = lambda x: x  # type: ignore[method-assign]  # as offloading hooks do
    with pytest.raises(SpecError, match="its forward was replaced"):
        QConv2d.from_float(module, QuantConfig())


def test_a_forward_compiled_for_the_float_layer_is_not_taken_over() -> None:
    module = convolution()
    module.compile(backend="eager")
    layer = QConv2d.from_float(module, QuantConfig(Binary()))
    image = torch.randn(1, 8, 5, 5)
    assert torch.equal(layer(image), layer.to_float()(image))
    assert not torch.equal(layer(image), F.conv2d(image, layer.weight, layer.bias))


def test_a_configuration_of_another_type_is_refused() -> None:
    with pytest.raises(SpecError, match="allowed: a QuantConfig"):
        QLinear.from_float(nn.Linear(4, 4), SignedBinary())  # type: ignore[arg-type]  # the test


@pytest.mark.parametrize("batched", [True, False])
def test_centred_inputs_are_the_weights_centred_over_channels_per_tap(batched: bool) -> None:
    config = QuantConfig(SignedBinary.released(), centre_inputs=True)
    layer = QConv2d(5, 6, 3, padding=1, config=config)
    x = torch.randn(2, 5, 7, 7) if batched else torch.randn(5, 7, 7)
    weight = layer.quantized_weight()
    centred = weight - weight.mean(1, keepdim=True)
    expected = F.conv2d(x, centred, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    x.requires_grad_()
    gradient = torch.randn(expected.shape)
    (through,) = torch.autograd.grad(layer(x), x, gradient)
    (wanted,) = torch.autograd.grad(F.conv2d(x, centred, layer.bias, padding=1), x, gradient)
    torch.testing.assert_close(through, wanted, rtol=1e-4, atol=1e-5)
    assert "centred input" in repr(layer)


def test_a_linear_layer_centres_over_features_and_cannot_become_float() -> None:
    layer = QLinear(6, 3, config=QuantConfig(Binary(), centre_inputs=True))
    x = torch.randn(4, 6)
    expected = F.linear(x - x.mean(1, keepdim=True), layer.quantized_weight(), layer.bias)
    torch.testing.assert_close(layer(x), expected)
    with pytest.raises(SpecError, match="to_float: got 'centred input'"):
        layer.to_float()


def test_one_channel_minus_its_mean_is_refused() -> None:
    with pytest.raises(SpecError, match=r"centre_inputs: got 'a layer of one input channel'"):
        QConv2d(1, 4, 3, config=QuantConfig(Binary(), centre_inputs=True))
