#!/bin/sh
# The whole way, against a Fly that runs inside snowbird: builds the flake in
# tests/fixtures/hello with real Nix, pushes and deploys it, changes one file and deploys
# again. Installs Nix on Debian if it is missing; leaves nothing else behind.
set -eu
cd "$(dirname "$0")/.."
. tests/tools.sh

command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.88 or newer"
install nix nix-bin cc gcc
own_nix_settings

say "== building snowbird"
cargo build --locked
snowbird=${CARGO_TARGET_DIR:-target}/debug/snowbird

work_in_a_folder

say "== starting a sandbox: registry and platform on loopback"
"$snowbird" sandbox --app hello --json >"$work/sandbox.json" 2>/dev/null &
server=$!
url=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/sandbox.json")
    [ -z "$url" ] || break
    sleep 0.25
done
[ -n "$url" ] || fail "the sandbox did not start"

cp -r tests/fixtures/hello "$work/hello"
deploy() {
    "$snowbird" deploy "path:$work/hello#container" --config "$work/hello/fly.toml" \
        --sandbox="$url" --progress plain 2>"$work/log" >"$work/image" ||
        { cat "$work/log" >&2; fail "the deploy failed"; }
    cat "$work/log" >&2
}

say "== deploying tests/fixtures/hello"
deploy
say "== changing its greeting, and deploying again"
echo "hello again from the nix store, $$" >"$work/hello/greeting.txt"
deploy
moved=$(sed -n 's/.*: \([0-9]* layers, [0-9]* there already, [0-9]* sent\).*/\1/p' "$work/log")
[ "$moved" = "3 layers, 2 there already, 1 sent" ] || fail "expected one layer of three to be sent, not: $moved"

say "== what runs now"
"$snowbird" status --app hello --sandbox="$url"
say "demo.sh: deployed twice to the sandbox at $url; the second time: $moved"
