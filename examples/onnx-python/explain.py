"""Explain a photo with an exported Explainer: NumPy, Pillow and onnxruntime, no PyTorch.

pip install numpy pillow onnxruntime
explanans export EXPLAINER --finish --out explainer.onnx # where explanans is installed; without --finish quicker masks
python explain.py explainer.onnx photo.jpg [--out overlays]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

RESAMPLING = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
BLUE = (0, 114, 178)


def prepare(photo: Image.Image, facts: dict[str, str]) -> np.ndarray:
    """(1, channels, H, W) float32, as the classifier was trained: resized, then (value / 255 − mean) / std."""
    settings = json.loads(facts["preprocessing"])
    height, width = settings["size"]
    resized = photo.resize((width, height), RESAMPLING[settings["interpolation"]])
    if len(settings["mean"]) == 1:
        resized = resized.convert("L")
    values = np.asarray(resized, np.float32).reshape(height, width, -1) / 255
    values = (values - np.float32(settings["mean"])) / np.float32(settings["std"])
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)


def overlay(photo: Image.Image, mask: np.ndarray) -> Image.Image:
    """The photo, darker where the mask is low, with the mask in blue."""
    soft = Image.fromarray((mask * 255).astype(np.uint8)).resize(photo.size, Image.BILINEAR)
    share = np.asarray(soft, np.float32)[:, :, None] / 255
    pixels = np.asarray(photo, np.float32)
    shown = pixels * (0.35 + 0.65 * share)
    edge = (share > 0.35) & (share < 0.65)
    return Image.fromarray(np.where(edge, np.float32(BLUE), shown).astype(np.uint8))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="what 'explanans export' wrote, with --what both")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--out", type=Path, default=Path("overlays"))
    parser.add_argument("--threshold", type=float, default=0.5, help="a class is seen from this probability on")
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    names = [each.name for each in session.get_outputs()]
    if "mask_classes" not in facts or names != ["probabilities", "masks"]:
        print(f"{arguments.model} was not written by 'explanans export --what both'.", file=sys.stderr)
        return 2
    photo = ImageOps.exif_transpose(Image.open(arguments.photo)).convert("RGB")
    given = session.get_inputs()[0].name
    inputs = np.asarray(photo)[None] if given == "pictures" else prepare(photo, facts)
    probabilities, masks = session.run(names, {given: inputs})
    arguments.out.mkdir(parents=True, exist_ok=True)
    seen = dict(zip(json.loads(facts["classes"]), probabilities[0], strict=True))
    for name, mask in zip(json.loads(facts["mask_classes"]), masks[0], strict=True):
        probability = seen[name]
        print(f"{name:20} {probability:.4f}  area {(mask >= 0.5).mean():.3f}")
        if probability >= arguments.threshold:
            overlay(photo, mask).save(arguments.out / f"{arguments.photo.stem}-{name.replace('/', '_')}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
