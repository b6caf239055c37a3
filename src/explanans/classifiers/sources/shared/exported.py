"""What an exported program says of itself, and its layers, where they can be told apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from explanans.classifiers.sources.shared.logits import logits_of
from explanans.errors import InputError

# Where the argument stands that says whether the operation behaves as in training.
_TRAINING = {"dropout": 2, "native_dropout": 2, "feature_dropout": 2, "alpha_dropout": 2}
_NORMS = {"batch_norm": 5, "_native_batch_norm_legit": 5, "cudnn_batch_norm": 5}


def check_evaluation_mode(spec: str, program: Any) -> None:
    """An InputError for a program whose dropout or batch norms were exported in training mode."""
    for node in program.graph.nodes:
        name = getattr(getattr(node.target, "_schema", None), "name", "").removeprefix("aten::")
        place = _TRAINING.get(name, _NORMS.get(name))
        active = place is not None and len(node.args) > place and node.args[place] is True
        # A batch norm that keeps no statistics takes the batch's own in every mode.
        if active and (name in _TRAINING or node.args[3] is not None):
            raise InputError(
                f"classifier {spec!r} was exported in training mode ({name} is active), so its answers are not those "
                "of the finished classifier; call model.eval() before torch.export.export."
            )


def batch_range(program: Any) -> tuple[int, int | None]:
    """The smallest and the largest number of images at once; no largest is None."""
    first = _image(program).shape[0]
    if isinstance(first, int):
        return first, first
    limits = program.range_constraints.get(first.node.expr)
    if limits is None:
        return 1, None
    # Infinity is a symbol of its own; a program that takes a million takes as many as there are.
    largest = int(limits.upper) if limits.upper.is_Integer and limits.upper < 10**6 else None
    return max(1, int(limits.lower)), largest


def image_shape(spec: str, program: Any) -> tuple[int | None, ...]:
    """(C, H, W) that the program takes, None where it is free."""
    shape = tuple(_image(program).shape)
    if len(shape) != 4:
        raise InputError(f"classifier {spec!r} takes an input of {len(shape)} dimensions; expected (N, C, H, W).")
    return tuple(side if isinstance(side, int) else None for side in shape[1:])


def with_layers(program: Any) -> nn.Module:
    """The program as a module with the layers that it was made of, for methods that look inside.

    One without layers where they cannot be brought back or would answer differently, and where images do not go
    through them together, each once: who looks inside would see parts of a batch, or what fills it up.
    """
    plain = program.module()
    if program.example_inputs is None or batch_range(program) != (1, None):
        return plain
    try:
        layered = torch.export.unflatten(program)
        _forget_fake_tensors(layered)
        with torch.no_grad():
            arguments, named = program.example_inputs
            same = torch.allclose(
                logits_of(layered(*arguments, **named)),
                logits_of(plain(*arguments, **named)),
                atol=1e-5,
                equal_nan=True,
            )
    # It works on the program's text, and what it trips over is anything.
    except Exception:
        return plain
    return layered if same else plain


def _forget_fake_tensors(layered: nn.Module) -> None:
    """The graphs remember the shapes of all values in tensors that cannot be copied, nor could the module then."""
    for part in layered.modules():
        for holder in (part, getattr(part, "graph_module", None)):
            for node in getattr(getattr(holder, "graph", None), "nodes", ()):
                node.meta.pop("val", None)


def _image(program: Any) -> Any:
    """Shape and type of the program's only input."""
    names = set(program.graph_signature.user_inputs)
    inputs = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    values = [node.meta.get("val") for node in inputs]
    if len(values) != 1 or not hasattr(values[0], "shape"):
        raise InputError(
            f"an exported program with the inputs {[node.name for node in inputs]}; expected images alone."
        )
    return values[0]
