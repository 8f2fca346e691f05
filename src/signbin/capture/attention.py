"""nn.MultiheadAttention with the batch in front all the way, as capture wants every value.

torch's own forward brings the sequence to the front and merges batch and heads into one axis.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from signbin.errors import CaptureError

__all__ = ["replace_attention"]


def replace_attention(model: nn.Module) -> None:
    """Replace, in place, what a model has of nn.MultiheadAttention by what computes the same.

    CaptureError for one whose batch is not in front, or with biases of keys and values.
    """
    for fqn, module in list(model.named_modules()):
        if type(module) is nn.MultiheadAttention:
            _check(module, fqn)
            setattr(module, "forward", _Attention(module))  # noqa: B010 - of a copy, whatever its type


class _Attention:
    """softmax(Q K^T / sqrt(width of a head)) V, heads side by side in the features."""

    def __init__(self, given: nn.MultiheadAttention) -> None:
        self._given = given

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, None]:
        """The attended values; their weights are not computed."""
        if key_padding_mask is not None:
            raise ValueError("key_padding_mask is not supported: sequences of one length only")
        queries, keys, values = (self._heads(each) for each in self._projected(query, key, value))
        mixed = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=attn_mask,
            is_causal=bool(options.get("is_causal")) and attn_mask is None,
        )
        joined: Tensor = self._given.out_proj(mixed.transpose(1, 2).flatten(2))
        return joined, None

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        given = self._given
        joint = given.in_proj_weight
        weights = (
            (given.q_proj_weight, given.k_proj_weight, given.v_proj_weight)
            if joint is None
            else joint.chunk(3)
        )
        biases = (None,) * 3 if given.in_proj_bias is None else given.in_proj_bias.chunk(3)
        return [
            functional.linear(each, weight, bias)
            for each, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self._given.num_heads, -1).transpose(1, 2)


def _check(given: nn.MultiheadAttention, fqn: str) -> None:
    if not given.batch_first:
        raise CaptureError(
            f"{fqn} (MultiheadAttention)",
            value="batch_first=False",
            allowed="batch_first=True",
            remedy="build it with batch_first=True and pass it (N, T, features)",
        )
    if given.bias_k is not None or given.add_zero_attn:
        raise CaptureError(
            f"{fqn} (MultiheadAttention)",
            value="add_bias_kv or add_zero_attn",
            allowed="neither",
            remedy="build it without them",
        )
