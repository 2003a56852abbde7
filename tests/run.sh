#!/bin/sh
# Runs every test, and installs what they need on Debian: Nix, a registry, a reader of
# what is pushed, and what else writes images. A test that lacks something fails. Only the
# deploys of the real flyctl are left out where its Go module cannot be had; the last line
# says so, and why.
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
# What asks Nix is tested with those of other Debian suites too, which answer otherwise.
versions=
for suite in trixie sid; do
    SNOWBIRD_TEST_NIX=$(sh tests/unpack-nix.sh "$suite")
    export SNOWBIRD_TEST_NIX
    cargo test --locked --test it nix::
    sh tests/nix/check.sh "$SNOWBIRD_TEST_NIX/nix"
    versions="$versions, $("$SNOWBIRD_TEST_NIX/nix" --version)"
done
unset SNOWBIRD_TEST_NIX
sh tests/nix/check.sh nix

skipped="nothing was skipped"
reason=$(mktemp)
if flyctl=$(sh tests/flyctl/build.sh 2>"$reason"); then
    sh tests/flyctl/run.sh "$flyctl" "${CARGO_TARGET_DIR:-target}/debug/snowbird"
elif [ $? = 3 ]; then
    skipped="skipped: tests/flyctl, for $(tail -n 1 "$reason")"
else
    cat "$reason" >&2
    fail "flyctl does not build"
fi
rm -f "$reason"

say "run.sh: all tests passed with $(nix --version)$versions, $(docker-registry --version | cut -d' ' -f1,3) and $(skopeo --version); $skipped"
