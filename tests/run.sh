#!/bin/sh
# Runs every test, and installs what they need on Debian: Nix, a registry, a reader of
# what is pushed, and what else writes images. Nothing is skipped: a test that lacks
# something fails.
set -eu
cd "$(dirname "$0")/.."
. tests/tools.sh

command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.88 or newer"
install nix nix-bin docker-registry docker-registry skopeo skopeo git git xz xz-utils \
    zstd zstd curl curl cc gcc python3 python3 strace strace buildah buildah podman podman \
    umoci umoci
own_nix_settings

cargo test --locked --lib --bins --tests
cargo test --locked --doc
sh tests/nix/check.sh nix

say "run.sh: all tests passed with $(nix --version), $(docker-registry --version | cut -d' ' -f1,3) and $(skopeo --version); nothing was skipped"
