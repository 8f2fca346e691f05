"""Networks trained with quantised activations: the program computes on the codes they learned."""

import numpy as np
import pytest
import torch
from torch import nn

import signbin
from signbin.capture import Reference, capture
from signbin.diagnose import measure_exactness
from signbin.errors import CaptureError
from signbin.ir import real_values
from signbin.passes import lower
from signbin.quant import (
    ActivationQuantizer,
    Binary,
    DoReFaActivation,
    HalfWaveGaussian,
    Int8Activation,
    LearnedClip,
    QuantConfig,
    SignActivation,
    SignedBinary,
    Ternary,
    quantize_,
)

RULES = {
    "sign": SignActivation(),
    "hwgq": HalfWaveGaussian(),
    "dorefa 1": DoReFaActivation(bits=1),
    "dorefa 3": DoReFaActivation(bits=3),
    "dorefa 8": DoReFaActivation(bits=8),
    "learned clip": LearnedClip(bits=4, clip=2.0),
    "int8": Int8Activation(),
}
WEIGHTS = {"binary": Binary(), "ternary": Ternary(), "signed binary": SignedBinary()}


class Residual(nn.Module):
    """A shortcut in float, relu (if any) before one quantised layer and none before the other."""

    def __init__(self, channels: int, relu: nn.Module) -> None:
        super().__init__()
        self.relu = relu
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = self.first_norm(self.first(self.relu(x)))
        return x + self.second_norm(self.second(y))


class Toy(nn.Module):
    """relu before quantised layers, but for signs, which are 1 of whatever is not negative."""

    def __init__(self, signs: bool) -> None:
        super().__init__()
        relu = nn.Identity() if signs else nn.ReLU()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16))
        self.block = Residual(16, relu)
        self.reduce = nn.Sequential(nn.Conv2d(16, 24, 3, 2, 1), nn.BatchNorm2d(24))
        self.relu = relu
        self.hidden = nn.Linear(24, 32)
        self.classifier = nn.Linear(32, 3)

    def forward(self, x):
        x = self.reduce(self.block(self.stem(x))).mean((2, 3))
        return self.classifier(torch.relu(self.hidden(self.relu(x))))


def bars(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Horizontal, vertical and diagonal bars in noise: (images, labels)."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(count, 1, 12, 12, generator=generator)
    labels = torch.arange(count) % 3
    places = torch.randint(1, 10, (count,), generator=generator)
    for image, label, place in zip(images, labels, places, strict=True):
        if label == 0:
            image[0, place] += 1
        elif label == 1:
            image[0, :, place] += 1
        else:
            image[0] += torch.eye(12)
    return images, labels


PAIRS = [(rule, list(WEIGHTS)[place % 3]) for place, rule in enumerate(RULES)]


@pytest.fixture(scope="module", params=PAIRS, ids=" on ".join)
def trained(request):
    """(model in eval mode, test images, labels), after some steps of real training."""
    rule, weight = request.param
    torch.manual_seed(3)
    model = Toy(signs=rule == "sign")
    quantize_(model, QuantConfig(WEIGHTS[weight], activation=RULES[rule]))
    images, labels = bars(192, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for step in range(72):
        batch = slice(step % 3 * 64, step % 3 * 64 + 64)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
    return model.eval(), *bars(48, seed=2)


def test_programs_compute_on_the_codes_that_were_trained(trained):
    model, images, labels = trained
    program = signbin.compile(model, (images[:1],))
    layers = [node for node in program.graph.nodes if node.op in ("conv2d", "linear")]
    types = program.graph.types()
    kinds = [types[node.inputs[0]].dtype for node in layers]
    assert kinds == ["f32", *["u8"] * 4, "f32"]
    with torch.no_grad():
        theirs = model(images).numpy()
    ours = program(images.numpy())
    # Other sums of float32 may reach another code where a number lies between two of them.
    differences = np.abs(ours - theirs).max(axis=1) / np.abs(theirs).max()
    assert np.median(differences) < 1e-5
    assert np.mean(ours.argmax(1) == theirs.argmax(1)) == 1.0
    assert np.mean(theirs.argmax(1) == labels.numpy()) > 0.6  # it has learned, of three classes


def test_codes_are_those_of_the_quantised_forward(trained):
    model, images, _ = trained
    program = signbin.compile(model, (images[:1],))
    reference = Reference(model, (images[:1],))(images.numpy())
    seen = real_values(program.graph, program.trace(images.numpy()))
    specs = {name: type_.quantization for name, type_ in program.graph.types().items()}
    names = [name for name in reference if name.startswith("quantized_input")]
    assert len(names) == 4
    for name in names:
        spec = specs[f"{name}.codes"]
        steps = np.abs(seen[f"{name}.codes"] - reference[name]) / spec.scale
        apart = steps > 0.01  # what is left of a scale that is rounded to float32
        assert apart.mean() < 1e-3
        assert steps.max() < (2.01 if spec.bits == 2 and spec.signed else 1.01)


def test_programs_give_the_interpreters_bits_on_codes(trained):
    model, images, _ = trained
    program = signbin.compile(model, (images[:1],))
    assert measure_exactness(program.graph, program.trace(images.numpy())).differing == 0


def test_files_keep_trained_codes(trained, tmp_path):
    model, images, _ = trained
    program = signbin.compile(model, (images[:1],))
    program.save(tmp_path / "m.sbn")
    again = signbin.Program.load(tmp_path / "m.sbn")
    np.testing.assert_array_equal(again(images.numpy()), program(images.numpy()))


class Doubled(ActivationQuantizer):
    """A quantiser of one's own that says nothing of codes."""

    kind = "doubled"

    def quantize(self, x, state, backward):
        return 2 * x


def test_a_quantiser_without_codes_is_refused_with_the_module_and_a_remedy():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3))
    quantize_(model, QuantConfig(Binary(), activation=Doubled()))
    with pytest.raises(CaptureError, match=r"layer 1: .*doubled.*coded\(state\)"):
        capture(model, (torch.zeros(1, 1, 12, 12),))


def test_an_int8_input_whose_range_was_never_seen_passes_unchanged():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3))
    quantize_(model, QuantConfig(Binary(), activation=Int8Activation()))
    graph = lower(capture(model.eval(), (torch.zeros(1, 1, 12, 12),)))
    assert not graph.has_codes


def test_a_clip_that_collapsed_is_refused_by_name():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3))
    quantize_(model, QuantConfig(Binary(), activation=LearnedClip()))
    with torch.no_grad():
        model[1].input_clip.zero_()
    with pytest.raises(CaptureError, match=r"layer 1: scale of an activation: got 0\.0"):
        capture(model.eval(), (torch.zeros(1, 1, 12, 12),))
