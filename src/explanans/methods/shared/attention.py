"""The attention weights of a vision transformer, read while it is asked: no hook, no module and no setting changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class AttentionWeights(TorchFunctionMode):
    """Inside, every self-attention of images' tokens adds its weights (N, heads, L, L) to ``weights``.

    They are part of the graph, so that gradients with respect to them can be taken. Three ways of attending are known:
    ``scaled_dot_product_attention`` (timm), which never shows its weights and is worked out in full
    here; ``nn.MultiheadAttention`` (torchvision); and a softmax written out. Attention of a single query is passed
    over, attention within windows (Swin) only counted in ``windowed``.

    Args:
        batch: N.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.weights: list[Tensor] = []
        self.windowed = 0

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is functional.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        if function is functional.multi_head_attention_forward:
            answer = self._heads(*args, **kwargs)
            return function(*args, **kwargs) if answer is None else (answer, None)
        answer = function(*args, **kwargs)
        if getattr(function, "__name__", "") == "softmax":
            self._keep(answer)
        return answer

    def _keep(self, weights: Tensor) -> None:
        if weights.ndim == 4 and weights.shape[2] == weights.shape[3] > 1:
            if len(weights) == self.batch:
                self.weights.append(weights)
            else:
                self.windowed += 1

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
        scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        if attn_mask is not None:
            hidden = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if hidden else scores + attn_mask
        weights = scores.softmax(-1)
        self._keep(weights)
        return weights @ value

    def _heads(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        embed_dim_to_check: int,
        num_heads: int,
        in_proj_weight: Tensor | None,
        in_proj_bias: Tensor | None,
        bias_k: Tensor | None,
        bias_v: Tensor | None,
        add_zero_attn: bool,
        dropout_p: float,
        out_proj_weight: Tensor,
        out_proj_bias: Tensor | None,
        **options: Any,
    ) -> Tensor | None:
        """Self-attention of (L, N, E) without masks, as torchvision asks for it; None for anything else."""
        masked = options.get("attn_mask") is not None or options.get("key_padding_mask") is not None
        unusual = bias_k is not None or bias_v is not None or add_zero_attn or options.get("need_weights", True)
        if query is not key or key is not value or in_proj_weight is None or masked or unusual or query.ndim != 3:
            return None
        length, batch, _ = query.shape
        projected = functional.linear(query, in_proj_weight, in_proj_bias)
        queries, keys, values = (
            part.view(length, batch, num_heads, -1).permute(1, 2, 0, 3) for part in projected.chunk(3, -1)
        )
        attended = self._attend(queries, keys, values)
        return functional.linear(attended.permute(2, 0, 1, 3).flatten(2), out_proj_weight, out_proj_bias)
