"""Networks that may take inputs of any size, and those that may not, by name."""

import numpy as np
import pytest
import torch
from torch import nn

import signbin
from signbin.errors import CaptureError, SpecError
from signbin.interop import to_onnx
from signbin.quant import QuantConfig, quantize_


class Segmenter(nn.Module):
    """Two scales, joined again: any even height and width."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU())
        self.up = nn.Upsample(scale_factor=2)
        self.head = nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.fine(x)
        return self.head(torch.cat([fine, self.up(self.coarse(fine))], 1))


class Classifier(nn.Module):
    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3))
        self.pool, self.head = pool, nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.body(x)).flatten(1))


def agree(program: signbin.Program, model: nn.Module, *shapes: tuple[int, ...]) -> None:
    for shape in shapes:
        x = torch.randn(2, *shape)
        with torch.no_grad():
            expected = model(x).numpy()
        np.testing.assert_allclose(program(x), expected, rtol=1e-4, atol=1e-5)  # float32 sums


def test_a_segmenter_with_low_bit_weights_takes_every_even_size() -> None:
    torch.manual_seed(0)
    model = Segmenter()
    quantize_(model, QuantConfig())
    model.eval()
    program = signbin.compile(model, (torch.zeros(1, 3, 16, 24),), free_sizes=True)
    agree(program, model, (3, 16, 24), (3, 8, 8), (3, 30, 62))


def test_a_classifier_with_a_global_average_takes_every_size() -> None:
    torch.manual_seed(0)
    model = Classifier(nn.AdaptiveAvgPool2d(1)).eval()
    program = signbin.compile(model, (torch.zeros(1, 3, 16, 16),), free_sizes=True)
    agree(program, model, (3, 16, 16), (3, 5, 40))


def test_a_sequence_may_have_any_length() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 2, 5)).eval()
    program = signbin.compile(model, (torch.zeros(1, 4, 50),), free_sizes=True)
    agree(program, model, (4, 50), (4, 7), (4, 333))


def test_a_window_as_large_as_the_map_is_refused_though_it_is_a_global_average_there() -> None:
    """At 16 x 16 the two cannot be told apart: at another size they are different networks."""
    model = Classifier(nn.AvgPool2d(14)).eval()
    with pytest.raises(CaptureError, match=r"free sizes.*another size"):
        signbin.compile(model, (torch.zeros(1, 3, 16, 16),), free_sizes=True)


class Masks(nn.Module):
    """As large as the image, whatever its size: twice the map that was halved once is not."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[-2:]
        return nn.functional.interpolate(self.body(x), size=size, mode="bilinear")


class SameAsTensorFlow(nn.Module):
    """Pads as much as the size needs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        down, across = (2 * (-(-extent // 2)) + 1 - extent for extent in x.shape[-2:])
        around = (across // 2, across - across // 2, down // 2, down - down // 2)
        return self.body(nn.functional.pad(x, around))


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Masks(), "size.* depends on the size"),
        (SameAsTensorFlow(), "padding depends on the size"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2, ceil_mode=True)),
            "padding depends on the size",
        ),
    ],
    ids=["masks", "same", "ceil_mode"],
)
def test_what_even_sizes_alone_have_in_common_is_refused_by_name(model, what) -> None:
    with pytest.raises(CaptureError, match=what):
        signbin.compile(model.eval(), (torch.zeros(1, 3, 64, 64),), free_sizes=True)


class Tokens(nn.Module):
    def __init__(self, *pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], 3, *self.pixels).softmax(-1)


def test_a_reshape_whose_one_extent_follows_is_free() -> None:
    program = signbin.compile(Tokens(-1), (torch.zeros(1, 3, 8, 8),), free_sizes=True)
    agree(program, Tokens(-1), (3, 8, 8), (3, 5, 4))


def test_a_reshape_that_depends_on_the_size_otherwise_is_refused_by_name() -> None:
    with pytest.raises(CaptureError, match=r"free sizes"):
        signbin.compile(Tokens(2, 32), (torch.zeros(1, 3, 8, 8),), free_sizes=True)


def test_a_transformer_takes_sequences_of_any_length_where_their_axis_is_named() -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    example = (torch.zeros(1, 12, 16),)
    with pytest.raises(CaptureError, match="another size"):
        signbin.compile(model, example, free_sizes=True)  # the last axis: its features
    (name,) = (value.name for value in signbin.compile(model, example).graph.inputs)
    program = signbin.compile(model, example, free_sizes={name: (1,)})
    agree(program, model, (12, 16), (3, 16), (40, 16))


@pytest.mark.parametrize(
    "wanted",
    [{"y": (2,)}, {"x": ()}, {"x": (0,)}, {"x": (4,)}, {}, {"x": None}, {"x": "23"}, "yes", [2, 3]],
)
def test_axes_that_are_none_are_refused(wanted) -> None:
    with pytest.raises(SpecError, match="axes behind the batch by input"):
        signbin.compile(Tokens(-1), (torch.zeros(1, 3, 8, 8),), free_sizes=wanted)


def test_vectors_have_no_size_to_be_free() -> None:
    with pytest.raises(SpecError, match="free sizes"):
        signbin.compile(nn.Linear(4, 2), (torch.zeros(1, 4),), free_sizes=True)


def test_an_onnx_file_that_states_its_size_is_refused_and_one_that_leaves_it_open_is_not() -> None:
    from signbin.capture import capture

    model = Classifier(nn.AdaptiveAvgPool2d(1)).eval()
    file = to_onnx(capture(model, (torch.zeros(1, 3, 16, 16),)))
    example = (np.zeros((1, 3, 16, 16), np.float32),)
    with pytest.raises(CaptureError, match="free sizes: the network cannot be captured"):
        signbin.compile(file, example, free_sizes=True)
    for place, name in ((2, "H"), (3, "W")):
        file.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name
    del file.graph.value_info[:]
    agree(signbin.compile(file, example, free_sizes=True), model, (3, 16, 16), (3, 9, 21))
