"""Networks of codes made of single nodes, for what is exported as C."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, verify
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight


@dataclasses.dataclass
class Builder:
    """A graph of images (C, H, W), node by node; every constant is drawn."""

    random: np.random.Generator
    shape: tuple[int, ...]
    bits: int = 8
    nodes: list[Node] = dataclasses.field(default_factory=list)
    constants: dict[str, Any] = dataclasses.field(default_factory=dict)

    def spec(self) -> ActivationSpec:
        """Some scale, and either zero point."""
        zero = int(self.random.choice([0, 2 ** (self.bits - 1)]))
        return ActivationSpec(float(np.float32(self.random.uniform(0.01, 0.1))), zero, self.bits)

    def type_of(self, name: str) -> TensorType:
        return {node.name: node.type for node in self.nodes}[name]

    def quantized(self) -> str:
        type_ = TensorType("u8", (BATCH, *self.shape), self.spec())
        self.nodes.append(Node("codes", "quantize", ("images",), {}, type_))
        return "codes"

    def add(
        self,
        op: str,
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        *,
        kept: bool = False,
        number: bool = False,
        **attributes: Any,
    ) -> str:
        """A node of u8; of f32 where it is a number."""
        name = f"{op}_{len(self.nodes)}"
        spec = self.type_of(inputs[0]).quantization if kept else self.spec()
        type_ = TensorType("f32" if number else "u8", (BATCH, *shape), None if number else spec)
        self.nodes.append(Node(name, op, inputs, attributes, type_))
        return name

    def constant(self, value: Any) -> ConstRef:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return ConstRef(name)

    def vector(self, length: int, least: float = -0.5, most: float = 0.5) -> ConstRef:
        return self.constant(self.random.uniform(least, most, length).astype(np.float32))

    def weight(self, kind: str, shape: tuple[int, ...], *, offset: bool = False) -> ConstRef:
        """integer, binary, ternary or signed_binary."""
        scale = self.random.uniform(0.01, 0.05, shape[0]).astype(np.float32)
        if kind == "integer":
            return self.constant(
                IntegerWeight(self.random.integers(-63, 64, shape).astype(np.int8), scale)
            )
        if kind == "binary":
            codes = self.random.choice([-1, 1], shape)
        else:
            codes = self.random.choice([-1, 0, 1], shape, p=[0.2, 0.6, 0.2])
        if kind == "signed_binary":
            codes = np.abs(codes) * self.random.choice(
                [-1, 1], (shape[0],) + (1,) * (len(shape) - 1)
            )
        centred = self.random.uniform(-0.01, 0.01, shape[0]).astype(np.float32) if offset else None
        return self.constant(LowBitWeight(codes.astype(np.int8), scale, centred))

    def conv2d(
        self, source: str, filters: int, kernel: tuple[int, int], kind: str, **stated: Any
    ) -> str:
        """A convolution; residual=NAME, offset=True and every attribute of the op."""
        channels, height, width = self.type_of(source).shape[1:]
        stride, padding = stated.pop("stride", (1, 1)), stated.pop("padding", (0, 0))
        groups, dilation = stated.pop("groups", 1), stated.pop("dilation", (1, 1))
        extents = [
            (extent + 2 * pad - (taps - 1) * apart - 1) // step + 1
            for extent, pad, taps, apart, step in zip(
                (height, width), padding, kernel, dilation, stride, strict=True
            )
        ]
        residual = stated.pop("residual", None)
        weight = self.weight(
            kind, (filters, channels // groups, *kernel), offset=stated.pop("offset", False)
        )
        return self.add(
            "conv2d",
            (source,) if residual is None else (source, residual),
            (filters, *extents),
            weight=weight,
            bias=self.vector(filters),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            **stated,
        )

    def classified(self, source: str, classes: int = 5, kind: str = "integer") -> str:
        """Flattened, and a linear layer to numbers."""
        length = int(np.prod(self.type_of(source).shape[1:]))
        flat = self.add("flatten", (source,), (length,), kept=True)
        weight = self.weight(kind, (classes, length))
        return self.add(
            "linear", (flat,), (classes,), number=True, weight=weight, bias=self.vector(classes)
        )

    def graph(self, output: str) -> Graph:
        value = Value("images", TensorType("f32", (BATCH, *self.shape)))
        made = Graph("drawn", (value,), tuple(self.nodes), (output,), self.constants)
        verify(made)
        return made
