#!/usr/bin/env bash
# Proof that no PyTorch is needed: a new environment with three packages, and the example in it.
#   examples/onnx-python/run_clean.sh explainer.onnx photo.jpg
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
model=${1:?name the ONNX file} photo=${2:?name a photo}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check numpy pillow onnxruntime
"$folder/environment/bin/pip" list --format=freeze
! "$folder/environment/bin/python" -c "import torch" 2>/dev/null
"$folder/environment/bin/python" "$here/explain.py" "$model" "$photo" --out "${OUT:-overlays}"
