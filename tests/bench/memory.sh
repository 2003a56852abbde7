#!/bin/sh
# Pushes an image of 2 GB to Debian's docker-registry, and prints how much memory that
# took at its peak and how many bytes were written to disk by the way.
#   memory.sh [MIB] [gzip]
set -eu
cd "$(dirname "$0")/../.."
. tests/tools.sh
mib=${1:-2048}
install docker-registry docker-registry curl curl cc gcc
cargo build --release --locked --bin snowbird --example make-image
target=${CARGO_TARGET_DIR:-target}/release

work_in_a_folder
mkdir "$work/tmp"

say "making an image of $mib MiB"
"$target/examples/make-image" "$mib" 20 "$work/image.tar"
image=$work/image.tar
if [ "${2:-}" = gzip ]; then
    gzip -1 "$image"
    image=$image.gz
fi

port=5300
until ! curl -s "127.0.0.1:$port" >/dev/null; do port=$((port + 1)); done
cat >"$work/registry.yml" <<C
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/registry } }
http: { addr: 127.0.0.1:$port, secret: bench }
C
docker-registry serve "$work/registry.yml" >/dev/null 2>&1 &
server=$!
until curl -s "127.0.0.1:$port/v2/" >/dev/null; do sleep 0.1; done

TMPDIR=$work/tmp "$target/snowbird" push "$image" --to "127.0.0.1:$port/bench:1" --quiet >"$work/out" &
push=$!
peak=0
written=0
while [ -e "/proc/$push/io" ]; do
    # Both only grow; what the last look misses is the end of the process.
    now=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$push/status" 2>/dev/null || true)
    peak=${now:-$peak}
    now=$(sed -n 's/^write_bytes: //p' "/proc/$push/io" 2>/dev/null || true)
    written=${now:-$written}
    sleep 0.02
done
wait "$push"
left=$(find "$work/tmp" -type f | wc -l)
say "memory.sh: $(du -m "$image" | cut -f1) MiB pushed as $(cat "$work/out")"
say "memory.sh: peak memory $((peak / 1024)) MiB; $((written / 1024)) KiB written to disk, $left temporary files"
# A page or two is the line of output.
[ "$((peak / 1024))" -lt 64 ] && [ "$written" -le 65536 ] && [ "$left" = 0 ]
