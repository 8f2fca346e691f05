"""What scoring needs to know of a network: how its input is prepared, how its outputs are read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir import Value
from signbin.runtime.pixels import channels_first, normalised
from signbin.spec import Preprocessing

__all__ = ["ScoredNetwork"]


@dataclasses.dataclass(frozen=True)
class ScoredNetwork:
    """The face of a program with one input.

    digest: SHA-256 of its file, in hexadecimal digits. given: its input.
    """

    name: str
    digest: str
    given: Value
    preprocessing: Preprocessing | None
    class_names: tuple[str, ...] = ()

    def prepared(self, array: NDArray[Any], name: str) -> NDArray[np.float32]:
        """Samples (N, ...) as the network reads them; ExecutionError naming what does not fit.

        Bytes are images, (N, C, H, W) or (N, H, W, C), where the network says how they are
        prepared; floating types are taken as prepared.
        """
        wanted = self.given.type.shape[1:]
        if array.dtype == np.uint8 and self.preprocessing is not None and array.ndim == 4:
            array = normalised(
                channels_first(array, self.preprocessing.channels), self.preprocessing
            )
        free = self.given.free
        fits = array.ndim == len(wanted) + 1 and all(
            axis in free or array.shape[axis] == extent for axis, extent in enumerate(wanted, 1)
        )
        if not fits or not np.issubdtype(array.dtype, np.floating):
            raise ExecutionError(
                f"samples of {name}",
                value=f"{array.dtype} {array.shape}",
                allowed=f"floats (N, {', '.join(map(str, wanted))})"
                + (", or uint8 images" if self.preprocessing is not None else ""),
                remedy="prepare them as in training",
            )
        return np.ascontiguousarray(array, np.float32)
