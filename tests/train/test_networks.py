"""The networks of the literature: sizes that were published, and the way through the compiler."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from signbin.capture import capture
from signbin.errors import SpecError
from signbin.ir import interpret
from signbin.passes import lower
from signbin.quant import QuantConfig, quantize_, quantized_layers
from signbin.train import (
    MODELS,
    BlockStyle,
    ImageTask,
    ModelConfig,
    Nonlinearity,
    build_network,
)
from signbin.train.models import PaddedShortcut, PaperUnit, WideBlock, is_larger_convolution

# Weights in the convolutions that the literature quantises: all of 3x3 but the stem.
QUANTIZED = {
    **{"resnet20": 267_264, "resnet32": 460_800, "resnet44": 654_336, "resnet56": 847_872},
    **{"resnet110": 1_718_784, "resnet18": 10_985_472, "resnet34": 21_086_208},
}
# All parameters, as torchvision's documentation gives them.
PUBLISHED = {
    **{"resnet18": 11_689_512, "resnet34": 21_797_672},
    **{"vgg11": 132_868_840, "vgg16": 138_365_992},
}
PAPER_STYLE = ("digits_resnet", "resnet20", "resnet18", "vgg_small", "alexnet")
# In the paper's style they have the blocks of digits_resnet.
RESIDUAL = {"resnet20", "resnet18"}
# The same blocks as in a smaller network of their kind, only more of them.
DEEPER = {"resnet32", "resnet44", "resnet56", "resnet110", "resnet34", "vgg16"}


def on_meta(name, style):
    """A network without memory: 138 million weights in no time."""
    with torch.device("meta"):
        return build_network(ModelConfig(name, style), MODELS[name].designed_for)


def small(name, style):
    """A narrow network for small images, with statistics and biases that are not 0 and 1."""
    task = MODELS[name].designed_for
    size = 64 if task.height == 224 else task.height
    task = ImageTask(task.channels, size, size, classes=5)
    torch.manual_seed(0)
    model = build_network(ModelConfig(name, style, width=8 if size == 64 else 4), task)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.ndim == 1 and tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape) * 0.5 + 0.5)
    return model.eval(), task


@pytest.mark.parametrize("style", list(BlockStyle))
@pytest.mark.parametrize("name", list(QUANTIZED))
def test_as_many_weights_are_quantised_as_in_the_literature(name, style):
    model = on_meta(name, style)
    quantize_(model, QuantConfig(), filter_fn=is_larger_convolution)
    layers = quantized_layers(model).values()
    assert sum(layer.weight.numel() for layer in layers) == QUANTIZED[name]


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_plain_network_has_the_published_number_of_parameters(name):
    model = on_meta(name, BlockStyle.PLAIN)
    assert sum(parameter.numel() for parameter in model.parameters()) == PUBLISHED[name]


def torchvision_keys(blocks):
    """The state-dict keys of torchvision's ResNet with basic blocks."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{key}" for key in norm)}
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            prefix = f"layer{stage}.{block}."
            for number in (1, 2):
                keys.add(f"{prefix}conv{number}.weight")
                keys |= {f"{prefix}bn{number}.{key}" for key in norm}
        if stage > 1:
            keys.add(f"layer{stage}.0.downsample.0.weight")
            keys |= {f"layer{stage}.0.downsample.1.{key}" for key in norm}
    return keys


@pytest.mark.parametrize(
    ("name", "blocks"), [("resnet18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3))]
)
def test_float_checkpoints_of_torchvision_fit_the_plain_imagenet_networks(name, blocks):
    state = on_meta(name, BlockStyle.PLAIN).state_dict()
    assert set(state) == torchvision_keys(blocks)
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer3.0.downsample.0.weight"].shape == (256, 128, 1, 1)
    assert state["fc.weight"].shape == (1000, 512)


def test_a_float_checkpoint_loads_strictly_into_the_quantised_network():
    model, task = small("resnet18", BlockStyle.PLAIN)
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    quantized = build_network(ModelConfig("resnet18", BlockStyle.PLAIN, width=8), task)
    quantize_(quantized, QuantConfig(), filter_fn=is_larger_convolution)
    quantized.load_state_dict(state, strict=True)
    for key, tensor in state.items():
        assert torch.equal(quantized.state_dict()[key], tensor)


def test_vgg_has_the_names_and_shapes_of_torchvision():
    state = on_meta("vgg16", BlockStyle.PLAIN).state_dict()
    assert state["features.0.weight"].shape == (64, 3, 3, 3)
    assert state["features.1.running_mean"].shape == (64,)
    assert state["features.40.bias"].shape == (512,)
    shapes = [tuple(state[f"classifier.{layer}.weight"].shape) for layer in (0, 3, 6)]
    assert shapes == [(4096, 25088), (4096, 4096), (1000, 4096)]


@pytest.mark.parametrize(
    ("name", "style"), [(name, style) for name, row in MODELS.items() for style in row.styles]
)
def test_stem_classifier_and_1x1_convolutions_stay_float(name, style):
    model = on_meta(name, style)
    quantize_(model, QuantConfig(), filter_fn=is_larger_convolution)
    layers = [
        (key, module)
        for key, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    quantized = quantized_layers(model)
    for place, (key, module) in enumerate(layers):
        larger = isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1
        assert (key in quantized) == (larger and place > 0), key


@pytest.mark.parametrize(
    ("name", "style"),
    [
        pytest.param(name, BlockStyle.PLAIN, marks=[pytest.mark.wide] if name in DEEPER else [])
        for name in MODELS
    ]
    + [
        pytest.param(name, BlockStyle.PAPER, marks=[pytest.mark.wide] if name in RESIDUAL else [])
        for name in PAPER_STYLE
    ],
)
def test_every_network_captures_lowers_and_computes_what_pytorch_computes(name, style):
    model, task = small(name, style)
    image = torch.randn(1, *task.shape, generator=torch.Generator().manual_seed(1))
    graph = lower(capture(model, (torch.zeros(2, *task.shape),)))
    found = interpret(graph, {graph.inputs[0].name: image.numpy()})[graph.outputs[0]]
    with torch.no_grad():
        expected = model(image)
    assert expected.abs().max() > 0
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-3, atol=1e-5)


def test_plain_cifar_networks_change_shape_without_weights_and_compile_to_one_node():
    model, task = small("resnet20", BlockStyle.PLAIN)
    assert sum(isinstance(module, PaddedShortcut) for module in model.modules()) == 2
    graph = lower(capture(model, (torch.zeros(2, *task.shape),)))
    padded = [node for node in graph.nodes if node.op == "subsample_pad"]
    assert [node.attributes["channels_before"] for node in padded] == [2, 4]
    assert [node.attributes["stride"] for node in padded] == [(2, 2), (2, 2)]


def test_the_padded_shortcut_keeps_every_second_pixel_between_zero_channels():
    x = torch.randn(2, 3, 5, 6)
    y = PaddedShortcut(3, 8, 2)(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:5], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 5:].any()


def test_paper_units_of_a_chain_have_shortcuts_exactly_where_the_shape_stays():
    model = on_meta("vgg16", BlockStyle.PAPER)
    units = [module for module in model.modules() if isinstance(module, PaperUnit)]
    shapes = [(unit.conv.in_channels, unit.conv.out_channels) for unit in units]
    assert len(units) == 12
    assert [unit.has_shortcut for unit in units] == [before == after for before, after in shapes]


def test_a_paper_unit_without_a_fitting_shortcut_adds_nothing():
    unit = PaperUnit(2, 3, 1, None).eval()
    x = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    y = F.conv2d(x.clip(-2, 2), unit.conv.weight, padding=1) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(unit(x), F.prelu(y, torch.tensor(0.25)))


@pytest.mark.parametrize(("name", "depth"), [("resnet20", 20), ("resnet110", 110)])
def test_a_cifar_network_has_as_many_weighted_layers_as_its_name_says(name, depth):
    model = on_meta(name, BlockStyle.PLAIN)
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules()) == depth


def test_the_width_scales_every_layer():
    task = MODELS["vgg11"].designed_for
    with torch.device("meta"):
        half = build_network(ModelConfig("vgg11", BlockStyle.PLAIN, width=32), task)
    full = on_meta("vgg11", BlockStyle.PLAIN)
    for narrow, wide in zip(half.modules(), full.modules(), strict=True):
        if isinstance(narrow, nn.BatchNorm2d):
            assert 2 * narrow.num_features == wide.num_features


def test_a_wide_network_has_the_size_of_the_literature_and_only_pixels_are_scaled():
    model = on_meta("wide_resnet20", BlockStyle.PLAIN)
    with torch.device("meta"):
        wide = build_network(
            ModelConfig("wide_resnet20", BlockStyle.PLAIN, width=160),
            MODELS["wide_resnet20"].designed_for,
        )
    # 26,737,120 binary weights of the published WRN-20-10 (McDonnell 2018), bn0's six beside them.
    assert sum(parameter.numel() for parameter in wide.parameters()) == 26_737_120 + 6
    norms = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    scaled = {name for name in norms if model.get_submodule(name).affine}
    assert (len(norms), scaled) == (21, {"pixels"})
    quantize_(model, QuantConfig(), filter_fn=is_larger_convolution)
    assert len(quantized_layers(model)) == 18


def test_the_shortcut_of_a_wide_block_averages_pixels_inside_the_image():
    block = WideBlock(2, 5, 2).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(1, 2, 4, 4)
    y = block(x)
    assert y.shape == (1, 5, 2, 2)
    torch.testing.assert_close(y[0, :2, 0, 0], x[0, :, :2, :2].mean((1, 2)))
    torch.testing.assert_close(y[0, :2, 1, 1], x[0, :, 1:4, 1:4].mean((1, 2)))
    assert not y[0, 2:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_style": BlockStyle.PAPER}, "block_style: got 'paper'; allowed: plain for wide"),
        ({"nonlinearity": Nonlinearity.PRELU}, "nonlinearity: got 'prelu'; allowed: none"),
    ],
)
def test_what_a_network_does_not_let_be_chosen_is_refused(options, message):
    config = ModelConfig("wide_resnet20", **{"block_style": BlockStyle.PLAIN, **options})
    with pytest.raises(SpecError, match=message):
        build_network(config, MODELS["wide_resnet20"].designed_for)


def test_blocks_of_a_network_whose_name_fixes_them_are_refused():
    with pytest.raises(SpecError, match=r"model\.blocks: got 2; allowed: none: resnet20"):
        build_network(ModelConfig("resnet20", blocks=2), MODELS["resnet20"].designed_for)


def test_images_that_pooling_makes_vanish_are_refused():
    with pytest.raises(SpecError, match="image size: got 16"):
        build_network(ModelConfig("vgg11"), ImageTask(3, 16, 16, classes=10))
