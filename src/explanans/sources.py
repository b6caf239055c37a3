"""Where a classifier comes from: timm, torchvision, a factory of the user's, a folder saved earlier."""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from explanans.errors import InputError
from explanans.files import atomic_file, atomic_folder
from explanans.preprocessing import Preprocessing

CONFIG = "explanandum.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Source:
    """How to build a module again: ``spec`` names it, ``arguments`` go to its constructor."""

    spec: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Loaded:
    """A module and what its source knows about it; None where it does not know."""

    module: nn.Module
    source: Source
    classes: Sequence[str] | None = None
    activation: Any = None
    preprocessing: Preprocessing | None = None
    weights_hash: str | None = None


def load(
    spec: str | Path,
    *,
    weights: str | Path | None = None,
    trust_factory: bool = False,
) -> Loaded:
    """Build the classifier that ``spec`` names; see :meth:`explanans.Explanandum.load`."""
    if isinstance(spec, Path) or Path(spec).is_dir():
        return _from_folder(Path(spec), weights=weights, trust_factory=trust_factory)
    scheme, colon, name = spec.partition(":")
    if colon and scheme in BUILDERS:
        return BUILDERS[scheme](name, weights)
    if colon and name.isidentifier() and all(part.isidentifier() for part in scheme.split(".")):
        return _from_factory(spec, weights)
    raise InputError(
        f"classifier {spec!r} is neither an existing folder nor a known name; take one of "
        f"{', '.join(f'{known}:NAME' for known in BUILDERS)}, package.module:factory or a folder saved by "
        "'explanans classifier fit'."
    )


def build(source: Source) -> nn.Module:
    """The module of ``source`` with random weights, to load saved weights into."""
    scheme, _, name = source.spec.partition(":")
    if scheme == "timm":
        import timm

        return timm.create_model(name, pretrained=False, **source.arguments)
    if scheme == "torchvision":
        import torchvision

        return torchvision.models.get_model(name.split(".")[0], weights=None, **source.arguments)
    if scheme == "explanans":
        return _own(name)(**source.arguments)
    return _call_factory(source.spec, source.arguments)


def save(module: nn.Module, config: Mapping[str, Any], folder: str | Path) -> Path:
    """Write a classifier's weights and its JSON description into ``folder``, all or nothing."""
    with atomic_folder(folder, replace_if_holds=CONFIG) as temporary:
        save_state(module, config, temporary, CONFIG)
    return Path(folder)


def save_state(module: nn.Module, config: Mapping[str, Any], folder: Path, config_name: str) -> None:
    """Write ``model.safetensors`` and a JSON file beside it."""
    # Cloned, because safetensors refuses tensors that share memory (tied weights).
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    with atomic_file(folder / WEIGHTS) as path:
        save_file(tensors, path)
    with atomic_file(folder / config_name) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def hash_weights(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_config(folder: Path, name: str, kind: str, saver: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON description in a saved folder, which must have ``keys``."""
    path = folder / name
    if not path.is_file():
        raise InputError(f"{folder} is no saved {kind}: it holds no {name}. Save one with {saver}.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}); it is damaged. Save the {kind} again.") from error
    lacking = [key for key in keys if key not in config] if isinstance(config, dict) else list(keys)
    if lacking:
        raise InputError(f"{path} lacks {', '.join(lacking)}; it is no description of a {kind}. Save the {kind} again.")
    return config


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """A state dict from ``.safetensors`` or from a PyTorch file that holds nothing but tensors.

    Raises:
        InputError: missing or truncated file, or one that needs code to be unpickled.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"weights={str(path)!r} is no file; give a .safetensors file or a PyTorch state dict.")
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
        exact: all names and shapes must match; otherwise the file may hold more, and a head for another number of
            classes (which differs in its first dimension only) is left as it is.

    Raises:
        InputError: as :func:`read_weights`, and names or shapes that do not fit.
    """
    tensors = read_weights(path)
    own = module.state_dict()
    missing = {name for name in own if name not in tensors and not name.endswith("num_batches_tracked")}
    surplus = set(tensors) - set(own) if exact else set()
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


def _from_timm(name: str, weights: str | Path | None) -> Loaded:
    import timm
    from timm.data import resolve_model_data_config

    if not timm.is_model(name.split(".")[0]):
        close = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        raise InputError(f"timm has no model {name!r}; close to it: {', '.join(close) or 'nothing'}.")
    if weights is None:
        module = _published(f"timm:{name}", lambda: timm.create_model(name, pretrained=True))
    else:
        module = timm.create_model(name, pretrained=False)
        load_weights(module, weights)
    data = resolve_model_data_config(module)
    is_imagenet = module.num_classes == 1000
    return Loaded(
        module,
        Source(f"timm:{name}"),
        classes=_imagenet_names() if is_imagenet else None,
        activation="softmax" if is_imagenet else None,
        preprocessing=Preprocessing(data["input_size"][1:], data["mean"], data["std"], data["interpolation"]),
    )


# torchvision sets these only where it loads weights itself, and the same weights mean something else without them.
_TORCHVISION_ARGUMENTS = {
    name: {"transform_input": True, "aux_logits": True, "init_weights": False} for name in ("googlenet", "inception_v3")
}


def _imagenet_names() -> list[str]:
    """The 1000 names; the two cranes, a bird and a machine, are told apart by their WordNet numbers."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    names = list(info.label_descriptions())
    return [
        f"{name} ({number})" if names.count(name) > 1 else name
        for name, number in zip(names, info.label_names(), strict=True)
    ]


def torchvision_weights(name: str) -> Any:
    """What torchvision published for ``ARCHITECTURE`` (its newest) or ``ARCHITECTURE.TAG``, such as
    ``resnet50.IMAGENET1K_V1``.

    Raises:
        InputError: there is no such classifier, or no such weights of it.
    """
    import torchvision

    architecture, _, tag = name.partition(".")
    # Of this module alone: segmentation, detection and video models are listed too, but are no classifiers of images.
    names = torchvision.models.list_models(module=torchvision.models)
    if architecture not in names:
        close = [known for known in names if known.startswith(name[:4])][:8]
        raise InputError(f"torchvision has no classifier {name!r}; close to it: {', '.join(close) or 'nothing'}.")
    published = torchvision.models.get_model_weights(architecture)
    if tag and tag not in published.__members__:
        known = ", ".join(f"{architecture}.{each.name}" for each in published)
        raise InputError(f"torchvision has no weights {name!r}; it has {known}.")
    return published[tag] if tag else published.DEFAULT


def torchvision_preprocessing(name: str) -> Preprocessing:
    """How torchvision's published weights want their input; ``name`` as in :func:`torchvision_weights`."""
    transform = torchvision_weights(name).transforms()
    return Preprocessing(
        transform.crop_size[0], tuple(transform.mean), tuple(transform.std), transform.interpolation.value
    )


def _from_torchvision(name: str, weights: str | Path | None) -> Loaded:
    import torchvision

    published = torchvision_weights(name)
    architecture = name.split(".")[0]
    source = Source(f"torchvision:{name}", _TORCHVISION_ARGUMENTS.get(architecture, {}))
    if weights is None:
        arguments = source.arguments
        module = _published(
            source.spec,
            lambda: torchvision.models.get_model(architecture, weights=published, **arguments),
            published.url,
        )
    else:
        module = build(source)
        load_weights(module, weights)
    return Loaded(module, source, published.meta["categories"], "softmax", torchvision_preprocessing(name))


def _own(name: str) -> Callable[..., nn.Module]:
    from explanans.classifiers import CLASSIFIERS

    if name not in CLASSIFIERS:
        raise InputError(f"there is no classifier explanans:{name}; take one of {sorted(CLASSIFIERS)}.")
    return CLASSIFIERS[name]


def _from_explanans(name: str, weights: str | Path | None) -> Loaded:
    _own(name)
    raise InputError(
        f"explanans:{name} has no published weights, so it can only be trained or loaded from the folder that training "
        f"saved. Train it: explanans classifier fit explanans:{name} DATA"
    )


def where_to_get(url: str) -> str:
    """Without a network: which file belongs where, to go on in an error message."""
    return f"fetch {url} elsewhere and put it into {Path(torch.hub.get_dir()) / 'checkpoints'}"


def _published(name: str, build_it: Callable[[], nn.Module], url: str | None = None) -> nn.Module:
    try:
        return build_it()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{name}: the published weights could not be loaded ({type(error).__name__}: {error}). Without a network, "
            f"{where_to_get(url) + ', or' if url else 'fetch the file elsewhere and'} pass weights=FILE (--weights "
            "FILE; .safetensors or a state dict)."
        ) from error


def _call_factory(spec: str, arguments: Mapping[str, Any]) -> nn.Module:
    package, _, name = spec.partition(":")
    try:
        factory = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"classifier {spec!r}: {error}. Name an importable module and a function in it.") from error
    module = factory(**arguments)
    if not isinstance(module, nn.Module):
        raise InputError(f"classifier {spec!r} returned a {type(module).__name__}; it must return a torch.nn.Module.")
    return module


def _from_factory(spec: str, weights: str | Path | None) -> Loaded:
    module = _call_factory(spec, {})
    if weights is not None:
        load_weights(module, weights)
    return Loaded(module, Source(spec))


def _from_folder(folder: Path, *, weights: str | Path | None, trust_factory: bool) -> Loaded:
    keys = ("source", "classes", "activation", "preprocessing", "weights_hash")
    config = read_config(folder, CONFIG, "classifier", "Explanandum.save", keys)
    if config["source"] is None:
        raise InputError(
            f"{folder} was saved from a module in hand, so its architecture is not known; build the module, load "
            f"{folder / WEIGHTS} into it with explanans.sources.load_weights and wrap it in Explanandum."
        )
    source = Source(**config["source"])
    if source.spec.partition(":")[0] not in BUILDERS and not trust_factory:
        raise InputError(
            f"{folder} names the factory {source.spec!r}; loading it would run that code. If you trust it, pass "
            "trust_factory=True."
        )
    module = build(source)
    load_weights(module, weights or folder / WEIGHTS)
    return Loaded(
        module,
        source,
        config["classes"],
        config["activation"],
        Preprocessing.from_dict(config["preprocessing"]),
        config["weights_hash"] if weights is None else None,
    )


BUILDERS: dict[str, Callable[[str, str | Path | None], Loaded]] = {
    "timm": _from_timm,
    "torchvision": _from_torchvision,
    "explanans": _from_explanans,
}
