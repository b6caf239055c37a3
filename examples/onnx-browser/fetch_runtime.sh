#!/usr/bin/env bash
# Put onnxruntime-web beside the page, so that it needs no other server.
#   examples/onnx-browser/fetch_runtime.sh [FOLDER]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/ort} version=1.22.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm pack --silent "onnxruntime-web@$version" >/dev/null && tar -xzf onnxruntime-web-*.tgz)
mkdir -p "$target"
cp "$folder"/package/dist/ort.wasm.min.js "$folder"/package/dist/ort-wasm-simd-threaded.{mjs,wasm} "$target"
echo "onnxruntime-web $version in $target"
