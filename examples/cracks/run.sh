#!/usr/bin/env bash
# From ImageNet weights and photos of cracks to figures. It goes on where it was stopped.
#   examples/cracks/run.sh CRACKS WEIGHTS [OUT]
# CRACKS: folder with images and masks
# WEIGHTS: ImageNet weights of EfficientNet-Lite0 (.safetensors), or "published" to fetch timm's
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) name=cracks
photos=${1:?name the folder of the photos} weights=${2:?name the weights file} out=${3:-runs/$name}
explanans=${EXPLANANS:-explanans} python=${PYTHON:-python3}
"$python" "$here/prepare.py" "$photos" "$out"
"$explanans" classifier fit timm:tf_efficientnet_lite0 "table:$out/tiles.csv" --config "$here/classifier.yaml" \
    --weights "$weights" --out "$out/classifier"
# No configuration. A tenth of the usual length, which is about 750 steps, on half of the tiles.
"$explanans" fit "$out/classifier/classifier" "table:$out/tiles.csv" \
    --train_split "train[:45%]" --validation_split "train[98%:]" --run.max_epochs 2 --out "$out/explainer"
# The same without trying masks on the classifier, from guides made once: a third of the time.
"$explanans" fit "$out/classifier/classifier" "table:$out/tiles.csv" --objective_options '{once: true, start: 2}' \
    --train_split "train[:45%]" --validation_split "train[98%:]" --run.max_epochs 2 --verdict.images 0 --out "$out/alone"
sed "s#runs/$name#$out#g" "$here/benchmark.yaml" > "$out/benchmark.yaml"
"$explanans" benchmark --config "$out/benchmark.yaml" --out "$out/benchmark"
