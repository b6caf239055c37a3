"""What a server says, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from explanans.deploy.batch.encode import grey_png
from explanans.deploy.serve.kept_pictures import FoundClass, KeptPicture
from explanans.deploy.serve.repeat_lines import Repeat
from explanans.deploy.serve.serving_limits import Limits
from explanans.explanations.batch import Masker, Settings
from explanans.explanations.by_method import ByMethod
from explanans.images.drawing import colour_of
from explanans.methods import METHODS
from explanans.utils.text import printable
from explanans.version import __version__


def about(
    masker: Masker, settings: Settings, limits: Limits, samples: Sequence[Mapping[str, str]], repeat: Repeat | None
) -> dict[str, Any]:
    """What a page needs to know before the first picture."""
    explanandum = masker.explanandum
    preprocessing = explanandum.preprocessing
    mean = preprocessing.mean if preprocessing.channels == 3 else preprocessing.mean * 3
    return {
        "version": __version__,
        "classes": [printable(name) for name in explanandum.classes],
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour_of(index)) for index in range(explanandum.num_classes)],
        "activation": explanandum.activation,
        "way": way(masker),
        "rule": settings.selection.rule(explanandum),
        "input": [preprocessing.height, preprocessing.width],
        "fill": [round(255 * min(1, max(0, value))) for value in mean],
        "cut": settings.mask_threshold,
        "receipts": settings.receipts,
        "made_by": {"settings": settings.to_dict(), "classifier": explanandum.identity(), **masker.made_by()},
        "limits": {"megabytes": limits.max_megabytes, "megapixels": limits.max_megapixels},
        "samples": list(samples),
        "repeat": None if repeat is None else repeat.to_dict(),
    }


def way(masker: Masker) -> str:
    """How the masks are made, in a word or two."""
    if isinstance(masker, ByMethod):
        return METHODS[masker.name].title if masker.name in METHODS else printable(masker.name)
    return "a trained Explainer"


def explained(
    picture: KeptPicture, handle: str, columns: Sequence[int], classes: Sequence[str], preview: str | None = None
) -> dict[str, Any]:
    """A picture with the classes asked for: probabilities of all, masks as PNG in base64, receipts."""
    found = [picture.found[column] for column in columns]
    probabilities = picture.probabilities or []
    said: dict[str, Any] = {
        "handle": handle,
        "width": picture.width,
        "height": picture.height,
        "probabilities": [round(value, 6) for value in probabilities],
        "classes": [class_entry(each, probabilities, classes) for each in found],
    }
    return said if preview is None else {**said, "preview": preview}


def class_entry(found: FoundClass, probabilities: Sequence[float], classes: Sequence[str]) -> dict[str, Any]:
    return {
        "index": found.index,
        "name": printable(classes[found.index]),
        "probability": probabilities[found.index],
        "mask": base64.b64encode(grey_png(found.mask)).decode(),
        "receipt": None if found.receipt is None else found.receipt.to_dict(),
    }
