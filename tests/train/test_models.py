import pytest
import torch
from torch import nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.quant import QConv2d, quantized_layers
from signbin.train import (
    MODELS,
    BlockStyle,
    ModelConfig,
    Nonlinearity,
    build_model,
    build_network,
    load_recipe,
)
from signbin.train.models import (
    BLOCKS,
    ChannelBias,
    PaperUnit,
    PlainBlock,
    ResidualNetwork,
    ResidualSpec,
    pooled_shortcut,
)
from signbin.train.network import make_model
from signbin.train.summary import seed_summary

# What the later rooms know how to compile.
KNOWN_LAYERS = {
    *(nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.PReLU, nn.Identity),
    *(nn.AvgPool2d, nn.AdaptiveAvgPool2d, ChannelBias),
}


def randomized(module):
    """Random values wherever a fresh module has zeros or ones that would hide mistakes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return module.eval()


@pytest.mark.parametrize("style", list(BlockStyle))
def test_the_digits_network_quantises_at_least_90_percent_of_its_weights(digits, style):
    config = load_recipe("digits", {"model.block_style": style.value})
    model = make_model(config, digits)
    record = {"seconds": 0.0, "test_accuracy": 0.5}
    parameters = seed_summary(0, model, [record])["parameters"]
    assert parameters["quantized_share"] >= 0.90
    assert parameters["total"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("style", list(BlockStyle))
def test_stem_classifier_and_shortcuts_stay_float_and_every_other_convolution_does_not(
    digits, style
):
    model = make_model(load_recipe("digits", {"model.block_style": style.value}), digits)
    quantized = quantized_layers(model)
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            expected = name.startswith("stages.") and getattr(module, "kernel_size", 0) == (3, 3)
            assert (name in quantized) == expected, name
    assert len(quantized) == 4


def test_float_weights_quantise_nothing(digits):
    assert not quantized_layers(make_model(load_recipe("digits", {"weights": "float"}), digits))


@pytest.mark.parametrize("weights", ["signed_binary", "binary", "ternary"])
def test_the_weights_key_alone_chooses_the_value_set(digits, weights):
    model = make_model(load_recipe("digits", {"weights": weights}), digits)
    for layer in quantized_layers(model).values():
        assert isinstance(layer, QConv2d)
        assert layer.config.weight.value_set.value == weights


@pytest.mark.parametrize("style", list(BlockStyle))
def test_the_digits_network_is_made_of_layers_the_compiler_knows(digits, style):
    model = build_model(ModelConfig("digits_resnet", style, width=4, blocks=2), digits)
    kinds = {type(module) for module in model.modules() if not list(module.children())}
    assert kinds <= KNOWN_LAYERS


@pytest.mark.parametrize("style", list(BlockStyle))
def test_networks_map_any_batch_to_logits(digits, style):
    model = build_model(ModelConfig("digits_resnet", style, width=4), digits).eval()
    for batch in (1, 3):
        assert model(torch.zeros(batch, 1, 8, 8)).shape == (batch, 10)


def test_every_stage_but_the_first_halves_the_image():
    sizes, rest = ((4, 6, 8), (1, 2, 1)), (BlockStyle.PAPER, pooled_shortcut, Nonlinearity.PRELU)
    spec = ResidualSpec(3, 7, *sizes, *rest)
    model = ResidualNetwork(spec).eval()
    x = model.stem(torch.zeros(2, 3, 16, 16))
    shapes = []
    for stage in model.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(4, 16, 16), (6, 8, 8), (8, 4, 4)]


@pytest.mark.parametrize(
    ("widths", "blocks"), [((), ()), ((4,), (1, 1)), ((4, 0), (1, 1)), ((4,), (0,))]
)
def test_impossible_stages_are_refused(widths, blocks):
    rest = (BlockStyle.PLAIN, pooled_shortcut, Nonlinearity.RELU)
    with pytest.raises(SpecError, match="residual network"):
        ResidualSpec(1, 10, widths, blocks, *rest)


def test_the_plain_block_is_resnets_basic_block():
    block = randomized(PlainBlock(3, 5, 2))
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def norm(bn, y):
        return (y - bn.running_mean.view(1, -1, 1, 1)) / torch.sqrt(
            bn.running_var.view(1, -1, 1, 1) + bn.eps
        ) * bn.weight.view(1, -1, 1, 1) + bn.bias.view(1, -1, 1, 1)

    inner = norm(block.bn1, F.conv2d(x, block.conv1.weight, stride=2, padding=1)).relu()
    outer = norm(block.bn2, F.conv2d(inner, block.conv2.weight, padding=1))
    convolution, shortcut_norm = block.downsample
    shortcut = norm(shortcut_norm, F.conv2d(x, convolution.weight, stride=2))
    torch.testing.assert_close(block(x), (outer + shortcut).relu())


def test_the_paper_unit_is_bias_clamp_conv_norm_shortcut_bias_prelu_bias():
    unit = randomized(PaperUnit(4, 4, 1))
    x = 3 * torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))

    def channels(vector):
        return vector.detach().view(1, -1, 1, 1)

    biased = x + channels(unit.input_bias.bias)
    assert (biased.abs() > 2).any()
    y = F.conv2d(biased.clip(-2, 2), unit.conv.weight, padding=1)
    y = (y - channels(unit.bn.running_mean)) / (channels(unit.bn.running_var) + 1e-5).sqrt()
    y = y * channels(unit.bn.weight) + channels(unit.bn.bias) + x + channels(unit.sum_bias.bias)
    y = torch.where(y > 0, y, channels(unit.prelu.weight) * y) + channels(unit.output_bias.bias)
    torch.testing.assert_close(unit(x), y)


@pytest.mark.parametrize("style", list(BlockStyle))
@pytest.mark.parametrize("kind", list(Nonlinearity))
def test_every_block_can_have_every_nonlinearity(style, kind):
    block = randomized(BLOCKS[style](3, 5, 2, pooled_shortcut, kind))
    expected = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "prelu": nn.PReLU}[kind.value]
    kinds = (nn.ReLU, nn.LeakyReLU, nn.PReLU)
    found = [module for module in block.modules() if isinstance(module, kinds)]
    assert [type(module) for module in found] == [expected] * 2
    slopes = [p for name, p in block.named_parameters() if "relu" in name]
    assert [slope.shape for slope in slopes] == ([(5,)] * 2 if kind is Nonlinearity.PRELU else [])


def test_the_nonlinearity_of_a_recipe_reaches_every_block():
    for name in ("resnet20", "resnet18", "vgg_small"):
        task = MODELS[name].designed_for
        with torch.device("meta"):
            model = build_network(ModelConfig(name, nonlinearity=Nonlinearity.LEAKY_RELU), task)
        kinds = [type(m) for m in model.modules() if isinstance(m, nn.PReLU | nn.LeakyReLU)]
        assert kinds
        assert set(kinds) == {nn.LeakyReLU}


def test_the_paper_unit_pools_its_shortcut_when_it_halves_the_image():
    unit = randomized(PaperUnit(2, 3, 2))
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    pooled = x.view(1, 2, 3, 2, 3, 2).mean(dim=(3, 5))
    _, convolution, norm = unit.shortcut
    torch.testing.assert_close(unit.shortcut(x), norm(F.conv2d(pooled, convolution.weight)))
    assert unit(x).shape == (1, 3, 3, 3)


@pytest.mark.parametrize("style", list(BlockStyle))
def test_every_parameter_of_a_block_receives_a_gradient(style):
    block = BLOCKS[style](4, 6, 2, pooled_shortcut)
    block(
        torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    ).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_an_unknown_network_is_refused_and_the_known_ones_are_named(digits):
    with pytest.raises(SpecError, match="model: got 'resnet'; allowed: digits_resnet"):
        build_model(ModelConfig("resnet"), digits)
