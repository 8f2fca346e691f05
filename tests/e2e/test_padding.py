"""Padding of one side alone, as TensorFlow's "same" has it: from PyTorch to the kernels."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from signbin import interop
from signbin.calibrate import QuantizedActivations
from signbin.capture import capture
from signbin.diagnose import measure_exactness
from signbin.ir import interpret
from signbin.native import kernels
from signbin.passes import lower
from signbin.quant import Binary, QuantConfig, quantize_
from signbin.runtime import Program
from signbin.verbs.compile import compile_graph, quantize_program


class Same(nn.Module):
    """TensorFlow's "same": as few zeros as the stride allows, an odd one below or on the right."""

    def __init__(self, inner: nn.Module, value: float = 0.0) -> None:
        super().__init__()
        self.inner, self.value = inner, value

    def forward(self, x):
        kernel, stride = (_pair(getattr(self.inner, name)) for name in ("kernel_size", "stride"))
        border: list[int] = []
        for axis in (1, 0):
            extent, step = x.shape[2 + axis], stride[axis]
            total = max((-(-extent // step) - 1) * step + kernel[axis] - extent, 0)
            border += [total // 2, total - total // 2]
        return self.inner(F.pad(x, border, value=self.value))


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


class Network(nn.Module):
    """Every way to pad one side more: F.pad, padding="same", ceil_mode; before every window."""

    def __init__(self, kernel: tuple[int, int], stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Same(nn.Conv2d(3, 6, kernel, stride, bias=False)),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            Same(nn.MaxPool2d(3, 2)),
            nn.Conv2d(6, 9, (2, 4), padding="same", bias=False),
            nn.BatchNorm2d(9),
            Same(nn.MaxPool2d(2, stride)),
            nn.MaxPool2d((2, 3), 2, (1, 0), ceil_mode=True),
            nn.ReLU(),
            Same(nn.AvgPool2d(2, 1)),
            Same(nn.Conv2d(9, 9, kernel, stride, groups=3, bias=False)),
            nn.AvgPool2d((2, 3), 2, 1, ceil_mode=True),
            nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x):
        return self.layers(x)


def trained(kernel, stride, size) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model, images = Network(kernel, stride), torch.randn(6, 3, *size)
    quantize_(model, QuantConfig(Binary()), keep_first_and_last=False)
    model.train()
    with torch.no_grad():
        model(images)  # statistics of batch norm
    return model.eval(), images


# PyTorch says that it copies the image where one side is padded more.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

ISAS = list(dict.fromkeys(row.isa for row in kernels() if row.usable))
WINDOWS = {  # kernel, stride, size
    "below and right": ((3, 3), 2, (16, 20)),
    "odd": ((2, 5), 2, (17, 23)),
    "unlike": ((4, 2), 1, (15, 16)),
    "points": ((1, 1), 2, (19, 18)),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_one_sided_padding_computes_what_pytorch_computes(case):
    model, images = trained(*WINDOWS[case])
    with torch.no_grad():
        expected = model(images).numpy()
    graph = capture(model, (images[:2],))
    name, tolerance = graph.inputs[0].name, 2e-5 * np.abs(expected).max()
    for isa in ISAS:
        program = compile_graph(graph, isa=isa)
        np.testing.assert_allclose(program(images.numpy()), expected, atol=tolerance)
    for lowered in (graph, program.graph):
        found = interpret(lowered, {name: images.numpy()})[lowered.outputs[0]]
        np.testing.assert_allclose(found, expected, atol=tolerance)
        session = onnxruntime.InferenceSession(interop.to_onnx(lowered).SerializeToString())
        exported = session.run(None, {name: images.numpy()})[0]
        np.testing.assert_allclose(exported, expected, atol=tolerance)


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("case", WINDOWS)
def test_one_sided_padding_is_exact_on_codes(case, bits):
    model, images = trained(*WINDOWS[case])
    coded = quantize_program(
        compile_graph(capture(model, (images[:2],))), QuantizedActivations(images.numpy(), bits)
    )
    for isa in ISAS:
        program = Program(coded.artifact, isa=isa, threads=bits - 6)
        found = measure_exactness(program.graph, program.trace(images.numpy()))
        assert found is not None
        assert found.values > 0
        assert found.differing == 0, found.first


def test_padding_before_a_window_leaves_no_step_of_its_own():
    model, images = trained((3, 3), 2, (16, 16))
    graph = capture(nn.Sequential(*list(model.layers)[:6]), (images,))
    assert "subsample_pad" in {node.op for node in graph.nodes}
    assert {node.op for node in lower(graph).nodes} == {"conv2d", "max_pool2d"}
