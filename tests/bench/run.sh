#!/bin/sh
# Measures snowbird beside skopeo, on the same images, in the same run, and prints a table.
#   run.sh [MIB] [RUNS] [alone]    40, 400 (the default) or 2048; medians of 3 runs
# `alone` is without skopeo, and first pushes only.
# It takes ten times the image's size on the disk, and leaves the images in the Nix store
# until the next garbage collection.
set -eu
cd "$(dirname "$0")/../.."
. tests/tools.sh
install nix nix-bin docker-registry docker-registry skopeo skopeo python3 python3 zstd zstd \
    curl curl cc gcc
own_nix_settings
cargo build --release --locked --bin snowbird --example make-tree --example null-registry
work_in_a_folder
exec 3>&1
TOOLS=${CARGO_TARGET_DIR:-target}/release python3 tests/bench/compare.py "$work" "${1:-400}" "${2:-3}" ${3:+"$3"} >&3
