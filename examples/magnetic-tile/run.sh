#!/usr/bin/env bash
# From ImageNet weights and labelled tiles to figures. It goes on where it was stopped.
#   examples/magnetic-tile/run.sh TILES WEIGHTS [OUT]
# TILES: folder with labels.csv, images and masks
# WEIGHTS: ImageNet weights of EfficientNet-Lite0 (.safetensors), or "published" to fetch timm's
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) name=magnetic-tile
photos=${1:?name the folder of the photos} weights=${2:?name the weights file} out=${3:-runs/$name}
explanans=${EXPLANANS:-explanans} python=${PYTHON:-python3}
"$python" "$here/prepare.py" "$photos" "$out"
"$explanans" classifier fit timm:tf_efficientnet_lite0 "table:$out/tiles.csv" --config "$here/classifier.yaml" \
    --weights "$weights" --out "$out/classifier"
# No configuration. Half of the usual length, which is about 750 steps.
"$explanans" fit "$out/classifier/classifier" "table:$out/tiles.csv" \
    --train_split "train[:90%]" --validation_split "train[90%:]" --run.max_epochs 14 --out "$out/explainer"
sed "s#runs/$name#$out#g" "$here/benchmark.yaml" > "$out/benchmark.yaml"
"$explanans" benchmark --config "$out/benchmark.yaml" --out "$out/benchmark"
