"""The logits in whatever a classifier returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from explanans.errors import InputError


def logits_of(output: Any) -> Tensor:
    """The logits in whatever a classifier returned.

    A tensor is taken as it is; otherwise the attribute ``logits`` (Hugging Face), the entry ``"logits"`` or the only
    tensor of a mapping, the first tensor of a tuple or list (GoogLeNet and Inception return extra heads after it).
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(getattr(output, "logits", None), Tensor):
        return cast(Tensor, output.logits)
    if isinstance(output, Mapping):
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        if isinstance(output.get("logits"), Tensor):
            return cast(Tensor, output["logits"])
        if len(tensors) == 1:
            return tensors[0]
        raise InputError(
            f"the classifier returned a mapping with the keys {sorted(map(str, output))}; expected one 'logits'. "
            "Wrap it in a module that returns the logits."
        )
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    raise InputError(
        f"the classifier returned a {type(output).__name__}; expected a tensor (N, C), an object with .logits, a dict "
        "or a tuple that starts with the logits. Wrap it in a module that returns the logits."
    )
