#!/usr/bin/env bash
# A detector, trained on scenes and explained by methods that only ask.
#   explanans demo --out demo
#   examples/detector/run.sh demo [OUT]
# Afterwards one scene, with masks and receipts:
#   PYTHONPATH=examples/detector explanans explain runs/detector/classifier demo/scenes/JPEGImages/2000000.jpg --trust_factory
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
demo=${1:?name the folder of explanans demo} out=${2:-runs/detector}
explanans=${EXPLANANS:-explanans} python=${PYTHON:-python3}
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
[ -d "$out/classifier" ] || "$python" "$here/scene_detector.py" "$demo/scenes" --out "$out"
"$explanans" benchmark --config "$here/benchmark.yaml" --classifiers.detector "$out/classifier" --data "scenes:$demo/scenes" \
    --trust_factory --out "$out/benchmark"
"$explanans" report "$out/benchmark"
