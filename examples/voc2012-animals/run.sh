#!/usr/bin/env bash
# The whole recipe, from ImageNet weights and photos to figures. It goes on where it was stopped.
#   examples/voc2012-animals/run.sh DEVKIT WEIGHTS [OUT]
# DEVKIT: folder with JPEGImages, SegmentationClass and ImageSets/Segmentation/{train,val}.txt
# WEIGHTS: ImageNet weights of MobileNetV2 (.safetensors), or "published" to fetch timm's
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
devkit=${1:?name the devkit folder} weights=${2:?name the weights file} out=${3:-runs/voc2012-animals}
explanans=${EXPLANANS:-explanans} python=${PYTHON:-python3}
SECONDS=0
"$explanans" classifier fit timm:mobilenetv2_100 "voc:$devkit" --config "$here/classifier.yaml" \
    --weights "$weights" --out "$out/classifier"
echo "classifier: $SECONDS s"
for name in explainer trunk rtis; do
    "$explanans" fit "$out/classifier/classifier" "voc:$devkit" --config "$here/$name.yaml" --out "$out/$name"
    echo "and $name: $SECONDS s"
done
"$python" "$here/receipts.py" "$out/explainer/explainer" "voc:$devkit" --out "$out/receipts"
# The configuration names the trained networks where they lie by default.
sed "s#runs/voc2012-animals/#$out/#g" "$here/benchmark.yaml" > "$out/benchmark.yaml"
"$explanans" benchmark --config "$out/benchmark.yaml" --data "voc:$devkit" --out "$out/benchmark"
echo "all: $SECONDS s"
