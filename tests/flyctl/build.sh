#!/bin/sh
# Builds the real flyctl, once, from its public Go module, and prints where it is.
#
# Exits with 3, and one line on stderr that says why, where it cannot be had: without Go, with
# one that is too old, or where the module or one that it needs is not served.
set -eu

version=v0.4.85
module=github.com/superfly/flyctl
cache=${XDG_CACHE_HOME:-$HOME/.cache}/snowbird-tests/flyctl-$version
binary=$cache/flyctl

cannot() {
    printf 'build.sh: flyctl %s cannot be had here: %s\n' "$version" "$*" >&2
    exit 3
}

if [ -x "$binary" ]; then
    echo "$binary"
    exit 0
fi
command -v go >/dev/null 2>&1 || cannot "there is no Go"

work=$(mktemp -d)
# What Go has unpacked is read-only.
trap 'chmod -R u+w "$work" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

# The module replaces one of those that it needs, which `go install` refuses: it is built in a
# copy, as the main module.
if ! go mod download -json "$module@$version" >module.json 2>log; then
    reason=$(sed -n 's/^[[:space:]]*"Error": "\(.*\)",\{0,1\}$/\1/p' module.json | sed 's/\\n.*//')
    cannot "${reason:-$(tail -n 1 log)}"
fi
folder=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p' module.json)
[ -n "$folder" ] || cannot "Go does not say where it has put the module"
cp -R "$folder" source
chmod -R u+w source
cd source
# Without the tag `production` it sends no reports of its crashes.
if ! CGO_ENABLED=0 go build -trimpath -o "$work/flyctl" . 2>"$work/log"; then
    if grep -Eq 'requires go >=|requires go version|toolchain not available|go: download go' "$work/log"; then
        cannot "$(grep -Em1 'requires go|toolchain|download go' "$work/log")"
    fi
    if grep -Eq 'reading https?://|module lookup disabled|dial tcp|i/o timeout|not available' "$work/log"; then
        cannot "$(grep -Em1 'reading https?://|lookup disabled|dial tcp|timeout|not available' "$work/log")"
    fi
    cat "$work/log" >&2
    exit 1
fi
mkdir -p "$cache"
# It is there whole or not at all.
mv "$work/flyctl" "$binary.new"
mv "$binary.new" "$binary"
echo "$binary"
