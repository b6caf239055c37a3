#!/usr/bin/env bash
# A classifier without gradients, explained: the demo's classifier as an ONNX file, a surrogate, an Explainer.
#   explanans demo --out demo
#   examples/black-box/run.sh demo [OUT]
# It goes on where it was stopped, and asks the box nothing twice.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
demo=${1:?name the folder of explanans demo} out=${2:-runs/black-box}
explanans=${EXPLANANS:-explanans} python=${PYTHON:-python3}
[ -d "$out/box" ] || "$python" "$here/hide.py" "$demo/classifier/classifier" "$out/box"
"$explanans" surrogate fit "$out/box" "scenes:$demo/scenes" --calls 12000 \
    --architecture explanans:small_resnet --weights null --run.max_epochs 8 --run.seed 1 --run.precision auto \
    --run.channels_last true --run.patience 0 --run.keep last --out "$out/surrogate"
"$explanans" fit "$out/box" "scenes:$demo/scenes" --surrogate "$out/surrogate/surrogate" \
    --encoder_weights "$out/surrogate/surrogate/model.safetensors" --config "$here/explainer.yaml" --out "$out/explainer"
# The configuration names the trained networks where they lie by default.
sed "s#runs/black-box/#$out/#g" "$here/benchmark.yaml" > "$out/benchmark.yaml"
"$explanans" benchmark --config "$out/benchmark.yaml" --data "scenes:$demo/scenes" --out "$out/benchmark"
"$explanans" report "$out/benchmark"
