"""Weights and descriptions on disk: safetensors or plain tensors, JSON; nothing that is executed."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from explanans.classifiers.sources.functions import FunctionBox
from explanans.classifiers.sources.shared.boxes import FileBox
from explanans.errors import InputError
from explanans.utils.files import atomic_file, atomic_folder
from explanans.utils.paths import near_path
from explanans.utils.records import Kind, read_json

CONFIG = "explanandum.json"
WEIGHTS = "model.safetensors"


def save(module: nn.Module, config: Mapping[str, Any], folder: str | Path) -> Path:
    """Write a classifier's weights and its JSON description into ``folder``, all or nothing."""
    with atomic_folder(folder, replace_if_holds=CONFIG) as temporary:
        if isinstance(module, FileBox):
            module.copy_to(temporary)
            write_config(config, temporary / CONFIG)
        elif isinstance(module, FunctionBox):
            write_config(config, temporary / CONFIG)
        else:
            save_state(module, config, temporary, CONFIG)
    return Path(folder)


def save_state(module: nn.Module, config: Mapping[str, Any], folder: Path, config_name: str) -> None:
    """Write ``model.safetensors`` and a JSON file beside it."""
    # Cloned, because safetensors refuses tensors that share memory (tied weights).
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    with atomic_file(folder / WEIGHTS) as path:
        save_file(tensors, path)
    write_config(config, folder / config_name)


def write_config(config: Mapping[str, Any], path: Path) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def hash_weights(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all parameters and buffers; what a box says of itself."""
    if isinstance(module, FileBox | FunctionBox):
        return module.content_hash()
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def described(kind: str, form: Mapping[Any, Any]) -> Kind:
    """The description of a saved ``kind``."""
    return Kind(f"description of a saved {kind}", f"save the {kind} again", form)


def read_config(folder: Path, name: str, kind: Kind, saver: str) -> dict[str, Any]:
    """The JSON description in a saved folder, of a kind that :func:`described` makes."""
    path = folder / name
    if not path.is_file():
        inner = sorted(str(each.parent) for each in folder.glob(f"*/{name}"))
        meant = f" (did you mean {' or '.join(inner[:3])}?)" if inner else ""
        saved = kind.name.removeprefix("description of a ")
        raise InputError(f"{folder} is no {saved}{meant}: it holds no {name}. Save one with {saver}.")
    return read_json(path, kind)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """A state dict from ``.safetensors`` or from a PyTorch file that holds nothing but tensors.

    Raises:
        InputError: missing or truncated file, or one that needs code to be unpickled.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"weights={str(path)!r} is no file{near_path(path)}; give a .safetensors file or a PyTorch state dict."
        )
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except SafetensorError as error:
        raise InputError(
            f"{path} cannot be read as safetensors ({error}); it is damaged or truncated. Copy it again."
        ) from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} cannot be read as plain weights ({type(error).__name__}). It is damaged, or a pickle with code in "
            "it, which is never executed here; save the state dict with safetensors.torch.save_file."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise InputError(f"{path} holds no state dict (names and tensors); save module.state_dict() and nothing else.")
    return weights


def load_weights(module: nn.Module, path: str | Path, *, exact: bool = True) -> None:
    """Load a state dict from ``.safetensors`` or a ``weights_only`` PyTorch file, cast to the module's dtypes.

    Args:
        module: gets the weights. Batch norm's counters may be absent.
        path: the file.
        exact: all names and shapes must match; otherwise the file may hold more, and a head that it lacks (the weight
            and bias of the last linear layer) or has for another number of classes (which differs in its first
            dimension only) is left as it is.

    Raises:
        InputError: as :func:`read_weights`, and names or shapes that do not fit.
    """
    tensors = read_weights(path)
    own = module.state_dict()
    missing = {name for name in own if name not in tensors and not name.endswith("num_batches_tracked")}
    surplus = set(tensors) - set(own) if exact else set()
    if not exact:
        missing -= _head_of(module)
    wrong = {name for name in own if name in tensors and own[name].shape != tensors[name].shape}
    heads = set() if exact else {name for name in wrong if own[name].shape[1:] == tensors[name].shape[1:]}
    if missing or surplus or wrong - heads:
        raise InputError(
            f"{path} does not fit the {type(module).__name__}: missing {sorted(missing)[:3]}, unknown "
            f"{sorted(surplus)[:3]}, other shape {sorted(wrong - heads)[:3]}. Name the architecture that it was saved "
            "from."
        )
    fitting = {name: tensors[name].to(own[name].dtype) for name in own if name in tensors and name not in heads}
    module.load_state_dict(fitting, strict=False)


def _head_of(module: nn.Module) -> set[str]:
    """The names of the last linear layer's parameters."""
    linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    return {f"{linear[-1]}.weight", f"{linear[-1]}.bias"} if linear else set()
