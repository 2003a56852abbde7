#!/bin/sh
# Fuzzes every target, or those that are named, and stops at the first failure.
#   run.sh [SECONDS] [TARGET]...       30 seconds for each
set -eu
cd "$(dirname "$0")/../.."
. tests/tools.sh
seconds=${1:-30}
[ $# -le 1 ] || { shift && targets=$*; }
command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked
found=${CARGO_TARGET_DIR:-tests/fuzz/target}/corpus
for target in ${targets:-$(cargo +nightly fuzz list --fuzz-dir tests/fuzz)}; do
    say "run.sh: $target for $seconds seconds"
    # New inputs go into the first folder, so that those in the repository stay few.
    mkdir -p "$found/$target"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" "$found/$target" \
        "tests/fuzz/corpus/$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1
done
say "run.sh: no failure was found"
