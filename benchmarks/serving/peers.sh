#!/bin/sh
# The servers that benchmarks/serving_versus.py measures beside ours, each in an environment of
# its own: sh benchmarks/serving/peers.sh FOLDER, then TELLAPART_PEERS_SERVING=FOLDER.
# About 2 GB. What is there already is left as it is. The engine, the decoder and numpy are of
# the versions that this project is measured with (constraints.txt).
set -eu

folder=${1:?the folder to build the environments in}
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")/../.." && pwd)
pinned=$(grep -i -E '^(numpy|onnxruntime|pillow)==' "$here/constraints.txt" | tr '\n' ' ')

build() {
    name=$1
    shift
    if [ -e "$folder/$name/.built" ]; then
        echo "$name: there already"
        return
    fi
    rm -rf "${folder:?}/$name"
    "$python" -m venv "$folder/$name"
    # shellcheck disable=SC2086 # one word a requirement
    "$folder/$name/bin/python" -m pip --disable-pip-version-check --quiet install "$@"
    "$folder/$name/bin/python" -m pip --disable-pip-version-check freeze >"$folder/$name/.built"
    echo "$name: built"
}

mkdir -p "$folder"
# shellcheck disable=SC2086
build fastapi "fastapi==0.163.2" "uvicorn[standard]==0.54.0" $pinned
# shellcheck disable=SC2086
build litserve "litserve==0.2.19" $pinned
# shellcheck disable=SC2086
build bentoml "bentoml>=1.4.30,<1.4.40" $pinned
# shellcheck disable=SC2086
build ray "ray[serve]==2.60.0" $pinned
# A public client of the Open Inference Protocol, as published.
build tritonclient "tritonclient[http,grpc]==2.73.0"
