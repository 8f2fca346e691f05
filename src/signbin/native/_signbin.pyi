"""Types of the extension module; the .cpp here are the code, native/include/signbin.h the text."""

import enum
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PORTS: int
MAX_THREADS: int

class StatusError(RuntimeError): ...

class Place(enum.Enum):
    ARENA = 0
    INPUT = 1
    OUTPUT = 2
    BATCH = 3

class Activation(enum.Enum):
    NONE = 0
    RELU = 1
    LEAKY_RELU = 2
    CLAMP = 3

Strategy: type[enum.Enum]  # a member for every family of kernels, its name in capitals

class WalkMode(enum.Enum):
    DEFAULT = 0
    ZEROS = 1
    TWO_GROUPS = 2

class SumList:
    def __init__(
        self,
        starts: NDArray[np.int32],
        operands: NDArray[np.int32],
        roles: NDArray[np.int32],
        segments: NDArray[np.int32],
    ) -> None: ...

class Weight:
    def __init__(
        self,
        *,
        strategy: enum.Enum,
        values: NDArray[np.float32] | None = ...,
        codes: NDArray[np.int8] | None = ...,
        integers: NDArray[np.int8] | None = ...,
        scale: NDArray[np.float32] | None = ...,
        offset: NDArray[np.float32] | None = ...,
        tile: tuple[int, int, int],
        mode: WalkMode = ...,
        sums: SumList | None = ...,
        order: NDArray[np.int32] | None = ...,
        generated: bool = ...,
        coded_rows: bool = ...,
    ) -> None: ...

class Epilogue:
    def __init__(
        self,
        *,
        residual: int | None = ...,
        bias: NDArray[np.float32] | None = ...,
        activation: Activation = ...,
        slope: float = ...,
        low: float = ...,
        high: float = ...,
        prelu: NDArray[np.float32] | None = ...,
        post_bias: NDArray[np.float32] | None = ...,
        residual_scale: float = ...,
    ) -> None: ...

class Builder:
    def __init__(
        self,
        isa: str,
        arena_bytes: int,
        batch_bytes: int = ...,
        threads: int = ...,
        generates: bool = ...,
    ) -> None: ...
    def add_value(
        self,
        shape: Sequence[int],
        place: Place,
        offset: int = ...,
        layout: Sequence[int] | None = ...,
        fill: float = ...,
        codes: tuple[int, int] | None = ...,
    ) -> int: ...
    def add_conv2d(
        self,
        input: int,
        output: int,
        window: Sequence[int],
        groups: int,
        weight: Weight,
        epilogue: Epilogue,
    ) -> None: ...
    def add_linear(
        self,
        input: int,
        output: int,
        weight: Weight,
        epilogue: Epilogue,
        rows: int = 1,
        whole_batch: bool = True,
    ) -> None: ...
    def add_direct(
        self,
        op: str,
        input: int,
        output: int,
        window: Sequence[int] = ...,
        scale: NDArray[np.float32] | None = ...,
        epilogue: Epilogue | None = ...,
        whole: Sequence[int] = ...,
        real: Sequence[float] = ...,
        table: NDArray[np.float32] | None = ...,
        more: Sequence[int] = ...,
    ) -> None: ...
    def finish(self) -> Program: ...

class Program:
    def arena_bytes(self, batch: int) -> int: ...
    def machine_code_bytes(self) -> int: ...
    def step_kernels(self) -> list[str]: ...
    def packed_bytes(self) -> list[int]: ...
    def run(
        self,
        inputs: Sequence[NDArray[np.float32]],
        outputs: Sequence[NDArray[np.float32]],
        batch: int,
        copies: Sequence[NDArray[np.float32] | None] = ...,
        step_ns: NDArray[np.float64] | None = ...,
    ) -> None: ...

def share_sums(
    plus: NDArray[np.uint64],
    minus: NDArray[np.uint64] | None,
    targets: int,
    leaves: bool,
    budget: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]: ...
def count_common(
    some: NDArray[np.uint64], others: NDArray[np.uint64], counts: NDArray[np.int32]
) -> None: ...
def normalize(
    x: NDArray[Any],
    residual: NDArray[Any] | None,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    epsilon: float,
    rectify: bool,
    threads: int,
    y: NDArray[Any],
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
) -> None: ...
def normalize_backward(
    x: NDArray[Any],
    y: NDArray[Any],
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
    weight: NDArray[np.float32],
    epsilon: float,
    rectify: bool,
    threads: int,
    gradient: NDArray[Any],
    input_gradient: NDArray[Any],
    residual_gradient: NDArray[Any] | None,
    weight_gradient: NDArray[np.float32],
    bias_gradient: NDArray[np.float32],
) -> None: ...
def version() -> str: ...
def direct_ops() -> list[str]: ...
def kernels() -> list[dict[str, Any]]: ...
def cpu() -> dict[str, int]: ...
def generates() -> bool: ...
def isa_choices() -> str: ...
def isa_lanes(name: str, activations: str = ...) -> int: ...
def resolve_isa(name: str) -> str: ...
def type_bytes(activations: str) -> int: ...
