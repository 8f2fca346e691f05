"""What torch warns of in its own internals."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["own_warnings_of_torch_ignored"]


@contextmanager
def own_warnings_of_torch_ignored() -> Iterator[None]:
    """Silences what torch.export warns of its own internals, and nothing else.

    torch 2.13 deep-copies its own LeafSpec, whose constructor is deprecated by torch itself:
    a caller who turns warnings into errors could not export at all. It also warns that its own
    convolution copies the image where padding="same" pads one side more; nothing is run here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
        yield
