"""An exported graph as the network makes its masks, and with all of them finished on their picture: onnxruntime.

    python benchmarks/onnx_finish.py [--turns 12] [--classes 6 1]

MobileNetV2 with six outputs at 224 × 224 and a light pyramid, random weights, one image, one thread. Printed are for
each graph the file's size, the median of the processor time per image, the memory that a process takes at its peak
beyond what it has with onnxruntime alone, the largest difference of a mask from PyTorch's, and how many masks are cut
elsewhere.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import timm
import torch

from explanans import Explainer, Explanandum, Preprocessing
from explanans.deploy.onnx import check_pictures, export_onnx
from explanans.training.calibration import Calibration

NAMES = list("abcdef")
ALONE = """
import sys
import numpy, onnxruntime
def peak():
    # Of this program alone; resource's begins with that of whoever started it.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
before = peak()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
for _ in range(3):
    session.run(None, {"images": numpy.load(sys.argv[2])})
print((peak() - before) // 1024)
"""


def explainer() -> Explainer:
    torch.manual_seed(0)
    module = timm.create_model("mobilenetv2_100", num_classes=len(NAMES))
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.5,) * 3)
    classifier = Explanandum(module, classes=NAMES, activation="sigmoid", preprocessing=preprocessing)
    made = Explainer(classifier, "light/mobilenetv2_100", encoder_weights=None).eval()
    # Half of the pixels are inside.
    with torch.no_grad():
        images = torch.stack([preprocessing(picture) for picture in check_pictures(4)])
        middle = float(made.head_logits(images).median())
    made.calibrate(4.0, -middle, Calibration().reach, Calibration().refine)
    return made


def main() -> None:
    import onnxruntime

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=12, help="runs of each graph (default: %(default)s)")
    parser.add_argument("--classes", type=int, nargs="+", default=[6, 1], help="masks in a graph (default: 6 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = explainer()
    image = made.explanandum.preprocessing(check_pictures(1)[0])[None].numpy()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "image.npy"
        np.save(given, image)
        for count in arguments.classes:
            for finish in (False, True):
                path = Path(folder) / f"{count}-{finish}.onnx"
                done = export_onnx(made, path, what="masks", classes=NAMES[:count], finish=finish)
                session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                times = []
                for _ in range(arguments.turns + 1):
                    begin = time.process_time()
                    session.run(None, {"images": image})
                    times.append(1000 * (time.process_time() - begin))
                alone = [sys.executable, "-c", ALONE, str(path), str(given)]
                memory = subprocess.run(alone, capture_output=True, text=True, check=True).stdout.strip()
                name, size = "finished" if finish else "as they are", path.stat().st_size / 2**20
                print(
                    f"{count} masks, {name:11} {size:5.1f} MiB  "
                    f"{statistics.median(times[1:]):6.1f} ms  {memory:>4} MB  {done.check.difference:.1e}, "
                    f"{done.check.cut_elsewhere} of {done.check.masks} cut elsewhere",
                    flush=True,
                )


if __name__ == "__main__":
    main()
