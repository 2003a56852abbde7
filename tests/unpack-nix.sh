#!/bin/sh
# Unpacks the Nix of another Debian suite, with all of its libraries, beside the system's own
# packages, and prints the folder of its programs:
#
#   PATH=$(sh tests/unpack-nix.sh trixie):$PATH    # trixie: Nix 2.26, sid: Nix 2.34
#
# What was unpacked stays in the user's cache, and is taken from there the next time; delete
# the folder to have it anew. It takes no root, and shares /nix with any other Nix.
set -eu

fail() {
    printf '%s\n' "$(basename "$0"): $*" >&2
    exit 1
}

[ $# = 1 ] || fail "which suite? such as: unpack-nix.sh trixie"
suite=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/snowbird-tests
folder=$cache/nix-$suite

if [ -x "$folder/bin/nix" ]; then
    printf '%s\n' "$folder/bin"
    exit 0
fi

command -v apt-get >/dev/null 2>&1 || fail "this takes Debian's apt-get"
mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    sed -nE 's|^URIs: *([^ ]+).*|\1|p; s|^deb +(\[[^]]*\] +)?([^ ]+) .*|\2|p' |
    grep -v security | head -n 1)
[ -n "$mirror" ] || fail "no Debian mirror is configured in /etc/apt"

# Unpacked beside its place and moved there whole: two runs do not meet, and one that is
# interrupted leaves nothing that looks complete.
mkdir -p "$cache"
new=$(mktemp -d "$cache/.nix-$suite.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$new"

apt=$new/.apt
mkdir -p "$apt/etc/apt.conf.d" "$apt/etc/preferences.d" "$apt/lists/partial" \
    "$apt/cache/archives/partial" "$new/root" "$new/bin" "$new/etc"
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
    >"$apt/etc/sources.list"
# An empty list of what is installed: so every library comes along.
apt_get() {
    apt-get -qq -o Debug::NoLocking=1 -o APT::Install-Recommends=false -o APT::Sandbox::User= \
        -o "Dir::Etc=$apt/etc" -o "Dir::Etc::sourcelist=$apt/etc/sources.list" \
        -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists" \
        -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" "$@" >&2
}
apt_get update
apt_get --download-only -y install nix-bin
for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$new/root"
done
rm -rf "$apt"

# Builds use the host's shell and tools, and no network.
cat >"$new/etc/nix.conf" <<'C'
experimental-features = nix-command flakes
sandbox = false
substituters =
build-users-group =
builders =
flake-registry =
C
# Started by the suite's own loader, so that none of the host's libraries are found. Nix asks
# its build hook even without builders, and would run it as /proc/self/exe, which is that
# loader: only NIX_CONFIG can take the hook away for good.
cat >"$new/bin/nix" <<'W'
#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")
export NIX_CONF_DIR="${NIX_CONF_DIR:-$here/etc}"
export NIX_CONFIG="build-hook =
${NIX_CONFIG:-}"
for loader in "$here"/root/usr/lib*/ld-linux*.so.*; do :; done
for libraries in "$here"/root/usr/lib/*-linux-gnu; do :; done
exec "$loader" --argv0 "$(basename "$0")" --library-path "$libraries:$here/root/usr/lib/nix" \
    "$here/root/usr/bin/nix" "$@"
W
chmod 755 "$new/bin/nix"
for tool in nix-build nix-store nix-instantiate nix-daemon; do
    ln -s nix "$new/bin/$tool"
done
"$new/bin/nix" --version >&2

# Another run may have been faster.
mv -T "$new" "$folder" 2>/dev/null || [ -x "$folder/bin/nix" ] || fail "cannot make $folder"
printf '%s\n' "$folder/bin"
