# Functions of demo.sh and run.sh: finding and installing what they need.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        fail "\`$*\` needs root, and there is no sudo"
    fi
}

# install COMMAND PACKAGE [COMMAND PACKAGE]...: what is on PATH already is left alone.
install() {
    missing=
    while [ $# -ge 2 ]; do
        command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
        shift 2
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 ||
        fail "these are missing, and there is no apt-get to install them:$missing"
    say "installing$missing"
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive sh -ec '
        apt-get -qq update
        apt-get -qq install -y --no-install-recommends "$@"
    ' sh $missing >/dev/null </dev/null
}

# Makes a folder, $work, that goes away with the script, as $server does when it is set to
# the ID of a process.
work_in_a_folder() {
    work=$(mktemp -d)
    server=
    trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}

# Lets Nix build the fixtures with the host's tools and without the network. Nothing on
# disk is changed: the settings are in the environment, and end with the script.
own_nix_settings() {
    NIX_CONFIG="experimental-features = nix-command flakes
sandbox = false
substituters =
build-users-group =
flake-registry =
${NIX_CONFIG:-}"
    export NIX_CONFIG
    if [ ! -d /nix/store ] && [ "$(id -u)" != 0 ]; then
        as_root install -d -m 755 -o "$(id -u)" /nix
    fi
    nix store ping >/dev/null 2>&1 || fail "nix does not work here: $(nix store ping 2>&1 | tail -n 3)"
}
