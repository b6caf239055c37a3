#!/usr/bin/env bash
# The page of `explanans serve` with an engine that computes in the browser, as files that any web server can hand out.
#   examples/onnx-browser/make_page.sh FOLDER          # FOLDER/explainer.onnx is exported before or after
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${1:?name the folder that the page goes to}
page=$("${PYTHON:-python3}" -c 'from importlib.resources import files; print(files("explanans.deploy") / "serve" / "page")')
mkdir -p "$target"
cp "$page"/* "$target"
cp "$here/engine.js" "$target"
# What fetch_runtime.sh has put beside this script is taken from there.
if [ -d "$here/ort" ]; then cp -r "$here/ort" "$target"; else "$here/fetch_runtime.sh" "$target/ort"; fi
