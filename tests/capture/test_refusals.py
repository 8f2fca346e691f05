"""What cannot be captured: the error names the module, the operator, what is allowed, a remedy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from signbin.capture import capture
from signbin.errors import CaptureError

IMAGE = torch.zeros(1, 4, 7, 7)


class Stage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.Threshold(0.1, 0.0)
        self.norm = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x):
        return self.norm(self.act(self.conv(x)))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(Stage(), nn.ReLU())
        self.pool = nn.AvgPool2d(2, divisor_override=3)

    def forward(self, x):
        return torch.erfinv(self.pool(self.stage(x)))


def _refusal(model: nn.Module, *inputs: torch.Tensor) -> str:
    with pytest.raises(CaptureError) as caught:
        capture(model, inputs or (IMAGE,))
    return str(caught.value)


def test_all_unsupported_layers_are_listed_in_one_error():
    lines = _refusal(Network()).splitlines()
    assert lines[0] == "model has 3 unsupported layers:"
    for line, expected in zip(
        lines[1:],
        [
            ("stage.0.act", "aten.threshold.default", "use ELU"),
            ("pool", "aten.avg_pool2d.default", "divisor_override=3"),
            ("forward of the model", "aten.erfinv.default", "replace the layer"),
        ],
        strict=False,
    ):
        assert all(part in line for part in expected), line
    assert "allowed: Conv1d, Conv2d, ConvTranspose1d/2d, Linear" in lines[-1]


def _module(function) -> nn.Module:
    class Model(nn.Module):
        def forward(self, x):
            return function(x)

    return Model()


FUNCTIONS = {
    "softplus of beta": (lambda x: F.softplus(x, 2), "beta=2"),
    "early softplus": (lambda x: F.softplus(x, threshold=5), "use 17 or more"),
    "divided by zero": (lambda x: x / 0, "divides by zero"),
    "rounded quotient": (lambda x: torch.div(x, 2, rounding_mode="floor"), "rounding_mode"),
    "huge factor": (lambda x: x * 1e39, "beyond float32"),
    "zeros joined": (lambda x: torch.cat([x, torch.zeros_like(x)], 1), "zeros_like"),
    "groups left transposed": (
        lambda x: x.view(-1, 2, 2, 7, 7).transpose(1, 2).relu(),
        "bring them back to [N, C, H, W]",
    ),
    "mirrored and cut": (lambda x: F.pad(x, (1, 1, -1, 1), mode="reflect"), "cut images by"),
    "channels cut": (lambda x: F.pad(x, (0, 0, 0, 0, -1, 0)), "pad channels with zeros"),
    "pad with ones": (lambda x: F.pad(x, (0, 0, 0, 0, 1, 1), value=1.0), "with 1"),
    "volumes": (lambda x: F.conv_transpose3d(x[:, :, None], torch.ones(4, 2, 1, 1, 1)), "3d"),
    "along the batch": (lambda x: x.softmax(0), "works along the batch"),
    "batch moved": (lambda x: x.transpose(0, 1), "has no batch extent first"),
    "an axis too few": (lambda x: x.mean((1, 2, 3)), "pass keepdim=True"),
    "a token of two": (
        lambda x: torch.cat([torch.ones(4, 7, 7).expand(x.shape[0], 4, 7, 7), x], 1),
        "make its first extent 1",
    ),
    "divisor": (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override=3"),
    "active dropout": (lambda x: F.dropout(x, 0.5, True), "training=self.training"),
    "random": (lambda x: x + torch.rand(1, 4, 1, 1), "draws random numbers"),
    "weights from activations": (lambda x: F.conv2d(x, F.relu(x)[:1]), "aten.conv2d.default"),
    "other precision": (lambda x: x.double().relu(), "torch.float64"),
    "batch gone": (lambda x: x.sum(), "aten.sum.default"),
    "second result": (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], "torch.int64"),
    "batch statistics": (
        lambda x: F.batch_norm(x, None, None, training=True),
        "track_running_stats=True",
    ),
    "constant output": (lambda x: (x.relu(), torch.ones(2)), "output 1"),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_what_the_ir_cannot_say_is_refused_by_name(case):
    function, expected = FUNCTIONS[case]
    assert expected in _refusal(_module(function))


def test_control_flow_on_values_is_refused_with_its_cause():
    message = _refusal(_module(lambda x: x if x.sum() > 0 else -x))
    assert "torch.export cannot trace" in message
    assert "remove the branch or loop" in message


def test_a_fixed_batch_is_refused():
    assert "x.shape[0]" in _refusal(_module(lambda x: x.view(2, -1)))


def test_a_forward_that_fails_is_reported_with_what_it_raised():
    def fail(x):
        raise RuntimeError("no such thing")

    assert "RuntimeError: no such thing" in _refusal(_module(fail))


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x.relu()


def test_a_forward_that_changes_a_buffer_is_refused():
    assert "buffer calls" in _refusal(Counting())


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(broken):
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    with torch.no_grad():
        model[2].weight[0, 0, 0, 0] = broken
    assert "parameters 2.weight" in _refusal(model)


def test_parameters_of_other_precision_are_refused_by_name():
    assert "parameters 0.weight, 0.bias" in _refusal(nn.Sequential(nn.Conv2d(4, 4, 3)).half())


class Uncopiable(nn.Module):
    def __deepcopy__(self, memo):
        raise TypeError("not me")

    def forward(self, x):
        return x


def test_a_model_that_cannot_be_copied_is_refused():
    assert "not me" in _refusal(Uncopiable())


@pytest.mark.parametrize(
    "inputs",
    [(), IMAGE, (3,), (IMAGE.double(),), (torch.zeros(4),), (torch.zeros(0, 4, 7, 7),)],
    ids=["none", "no tuple", "no tensor", "float64", "rank 1", "empty"],
)
def test_example_inputs_that_do_not_fit_are_refused(inputs):
    with pytest.raises(CaptureError, match="example input"):
        capture(nn.ReLU(), inputs)


def test_inputs_of_seven_axes_are_refused():
    assert "2 to 6 axes" in _refusal(nn.ReLU(), torch.zeros(2, *[1] * 6))


def test_what_is_no_module_is_refused():
    with pytest.raises(CaptureError, match=r"torch\.nn\.Module"):
        capture(lambda x: x, (IMAGE,))


def test_a_name_that_the_ir_does_not_allow_is_refused():
    with pytest.raises(CaptureError, match="name of the graph"):
        capture(nn.ReLU(), (IMAGE,), name="my model")


class TimesImages(nn.Module):
    def forward(self, x):
        return torch.relu(x) * x.shape[0]


def test_numbers_of_images_are_nothing_to_compute_with():
    assert "mul.Tensor: other depends on the number of images" in _refusal(
        TimesImages(), torch.zeros(2, 4, 7, 7)
    )


def test_a_pool_without_windows_is_refused():
    class Nothing(nn.Module):
        def forward(self, x):
            return F.interpolate(x, scale_factor=0.1, mode="area")

    assert "0 x 0 windows" in _refusal(Nothing())
