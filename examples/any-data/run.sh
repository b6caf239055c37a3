#!/usr/bin/env bash
# The default Explainer of any classifier on any data with segmentations to measure by, beside what needs no training.
#   examples/any-data/run.sh CLASSIFIER DATA [OUT [options of explanans fit]]
# DATA has the splits train and val; a tenth of train is held out to learn where masks are cut. It goes on where it was stopped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
classifier=${1:?name the classifier} data=${2:?name the data set} out=${3:-runs/any-data}
shift $(($# < 3 ? $# : 3))
explanans=${EXPLANANS:-explanans}
"$explanans" fit "$classifier" "$data" --train_split "train[:90%]" --validation_split "train[90%:]" --out "$out/explainer" "$@"
"$explanans" benchmark --config "$here/benchmark.yaml" --classifiers.it "$classifier" --data "$data" \
    --methods.explainer.settings "{explainer: $out/explainer/explainer}" --out "$out/benchmark"
