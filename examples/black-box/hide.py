"""Turn the demo's classifier into a black box: an ONNX file without gradients, in a folder that says its classes.

python examples/black-box/hide.py DEMO/classifier/classifier BOX
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from explanans import Explanandum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="folder of a saved classifier")
    parser.add_argument("box", type=Path, help="where to save the box")
    arguments = parser.parse_args()
    classifier = Explanandum.load(arguments.classifier)
    preprocessing = classifier.preprocessing
    images = torch.zeros(2, preprocessing.channels, preprocessing.height, preprocessing.width)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "box.onnx"
        program = torch.onnx.export(
            classifier.module, (images,), dynamo=True, verbose=False, dynamic_shapes=({0: "batch"},)
        )
        program.save(str(file))
        box = Explanandum.load(
            f"onnx:{file}", classes=classifier.classes, activation=classifier.activation, preprocessing=preprocessing
        )
        with torch.no_grad():
            pictures = torch.randn(5, *images.shape[1:])
            difference = float((box(pictures) - classifier(pictures)).abs().max())
        box.save(arguments.box)
    print(f"saved in {arguments.box}; its logits differ from the classifier's by at most {difference:.1e}")


if __name__ == "__main__":
    main()
