#!/bin/sh
# Evaluates and runs what flake.nix offers, fetching nothing: nixpkgs and flake-parts are
# stand-ins that build with the host's tools, and the Fly that apps deploy to is the sandbox
# of the snowbird that cargo has built.
#
#   tests/nix/check.sh [NIX]
#
# NIX is the Nix to use, which the deploys use too. SNOWBIRD_BINARY is the program, if it is
# not where `cargo build` leaves it.
#
# Ends with the number of parts that failed, which is 0 when all is well.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/tools.sh"
nix=$(command -v "${1:-nix}") || fail "there is no ${1:-nix}"
built=${SNOWBIRD_BINARY:-${CARGO_TARGET_DIR:-$root/target}/debug/snowbird}
[ -x "$built" ] || fail "there is no $built: run \`cargo build\` first"
SNOWBIRD_BINARY=$(realpath "$built")
export SNOWBIRD_BINARY
install python3 python3 systemd-analyze systemd
work_in_a_folder
failed=0

# The Nix that is to be used is the one that is found, by snowbird too.
mkdir "$work/bin"
ln -s "$nix" "$work/bin/nix"
PATH=$work/bin:$PATH
own_nix_settings

# A copy, for `path:` takes the whole folder into the store.
mkdir "$work/snowbird"
for part in flake.nix flake.lock nix docs Cargo.toml Cargo.lock README.md ARCHITECTURE.md src; do
  cp -R "$root/$part" "$work/snowbird/" || exit
done
mkdir "$work/snowbird/tests"
cp -R "$root/tests/fixtures" "$work/snowbird/tests/"

# call COMMAND ARGUMENT...: runs a command of Nix, keeping what it says for a failure.
call() {
  command=$1
  shift
  nix "$command" "$@" 2> "$work/stderr"
}

ours="--no-write-lock-file --override-input nixpkgs path:$here/nixpkgs"
theirs="$ours --override-input snowbird path:$work/snowbird"
parts="$theirs --override-input flake-parts path:$here/nixpkgs"

# expect NAME WANTED GOT: compares two texts.
expect() {
  if [ "$2" = "$3" ]; then
    echo "ok: $1"
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"
    sed 's/^/  | /' "$work/stderr"
  fi
}

# expect_success NAME COMMAND...
expect_success() {
  name=$1
  shift
  if "$@" > "$work/stdout"; then expect "$name" 0 0; else expect "$name" 0 "$?"; fi
}

# lines TEXT...: each argument on a line, as the stand-in program prints its own.
lines() { printf '[%s]\n' "$@"; }

nix --version || exit

# Our own outputs.

expect 'the lock names the channel of flake.nix, checked' \
  '"nixos-26.05 8eeec934ae0dbeca3d7868c059568a65c08b2fc3"' \
  "$(call eval --impure --json --expr "with (builtins.fromJSON (builtins.readFile $work/snowbird/flake.lock)).nodes.nixpkgs; \"\${original.ref} \${locked.rev}\"")"

# shellcheck disable=SC2086  # the options are words
outputs=$(call eval $ours --json "path:$work/snowbird#apps" --apply 'builtins.mapAttrs (_: builtins.attrNames)')
expect 'each system has its apps' \
  '{"aarch64-darwin":["default","deploy"],"aarch64-linux":["default","deploy"],"x86_64-linux":["default","deploy"]}' \
  "$outputs"

# shellcheck disable=SC2086
{
  expect 'the library has its functions' '["mkDeploy","mkDeploys","writeFlyJson"]' \
    "$(call eval $ours --json "path:$work/snowbird#lib" --apply builtins.attrNames)"
  expect 'the static program is for Linux' \
    '{"aarch64-darwin":false,"aarch64-linux":true,"x86_64-linux":true}' \
    "$(call eval $ours --json "path:$work/snowbird#packages" --apply 'builtins.mapAttrs (_: builtins.hasAttr "snowbird-static")')"
  expect_success 'nix flake show' call flake show $ours "path:$work/snowbird"
  expect_success 'nix flake check' call flake check $ours "path:$work/snowbird"
  echo '### an option that there is not' >> "$work/snowbird/docs/options.md"
  expect 'nix flake check refuses a page of options that is out of date' refused \
    "$(call flake check $ours "path:$work/snowbird" || echo refused)"
  cp "$root/docs/options.md" "$work/snowbird/docs/"

  expect 'nix run hands its arguments on' "$(lines push .#x --json)" \
    "$(call run $ours "path:$work/snowbird" -- push '.#x' --json)"
  expect 'nix run .#deploy deploys the flake that it is run in' "$(lines deploy --detach)" \
    "$(call run $ours "path:$work/snowbird#deploy" -- --detach)"

  package=$(call build $ours --no-link --json "path:$work/snowbird" | sed 's/.*"out":"\([^"]*\)".*/\1/')
  expect 'the package has completions and a manual' 'bash fish zsh snowbird.1' \
    "$(echo "$(cd "$package/completions" && ls)" "$(cd "$package/man" && ls)" | tr '\n' ' ' | sed 's/ $//')"
  expect 'the completions are those of their shells' "$(lines completions fish)" \
    "$(cat "$package/completions/fish")"
  expect 'the static program runs what it finds, and is not wrapped' '#!/bin/sh' \
    "$(head -n 1 "$(call build $ours --no-link --json "path:$work/snowbird#snowbird-static" | sed 's/.*"out":"\([^"]*\)".*/\1/')/bin/snowbird")"
  expect 'Nix and git come last on PATH' 1 \
    "$(grep -c '^PATH=$PATH:/nix/store/.*-nix/bin:/nix/store/.*-gitMinimal/bin exec' "$package/bin/snowbird")"
}

# What is not compiled does not build the package anew.

derivation() {
  # shellcheck disable=SC2086
  call eval $ours --raw "path:$work/snowbird#default.drvPath"
}
before=$(derivation)
for page in README.md ARCHITECTURE.md docs/options.md nix/shell.nix tests/fixtures/hello/fly.toml; do
  cp "$work/snowbird/$page" "$work/kept" || exit
  echo '# more' >> "$work/snowbird/$page"
  expect "a change of $page does not build the package anew" "$before" "$(derivation)"
  cp "$work/kept" "$work/snowbird/$page"
done
echo '// more' >> "$work/snowbird/src/main.rs"
expect 'a change of the source does' changed "$([ "$(derivation)" = "$before" ] || echo changed)"
cp "$root/src/main.rs" "$work/snowbird/src/main.rs"

# A flake made from the template.

cp -R "$work/snowbird/nix/templates/default" "$work/site"
# shellcheck disable=SC2086
{
  expect_success 'the template: nix flake check' call flake check $theirs --no-build "path:$work/site"
  expect 'the template deploys the stream of its container' \
    '[deploy] [--config] [HASH-fly.toml] [HASH-stream-web] [--detach]' \
    "$(call run $theirs "path:$work/site#deploy" -- --detach | sed 's|/nix/store/[0-9a-z]*|HASH|' | tr '\n' ' ' | sed 's/ $//')"
}

# mkDeploy.

# shellcheck disable=SC2086
{
  run() { call run $theirs "path:$here/consumer#$1"; }
  expect 'mkDeploy without an image leaves the choice to snowbird' "$(lines deploy)" "$(run plain)"
  expect 'mkDeploy quotes what it is given' \
    "$(lines deploy --app 'my app' --config fly.staging.toml --env 'GREETING=hello, "$world"' ".#it's mine")" \
    "$(run named)"
  expect 'mkDeploy takes fly.toml from the flake' 1 "$(run file | grep -c '^\[/nix/store/.*/\?[^/]*fly.toml\]$')"
  expect 'mkDeploy runs no script of another system' "$(lines deploy /an/archive)" "$(run foreign)"
  expect 'mkDeploy refuses an image and a container' '' "$(run both)"
  expect_success 'and says why' grep 'give `image` or `container`, not both' "$work/stderr"
  expect 'writeFlyJson writes what stands in fly.toml' '{"app":"web","http_service":{"internal_port":8080}}' \
    "$(cat "$(run settings | sed -n 's/^\[\(.*fly.json\)\]$/\1/p')")"

  # flake-parts.

  expect 'the flake module makes an app for each deployment and system' \
    '{"aarch64-linux":["deploy","deploy-staging"],"x86_64-linux":["deploy","deploy-staging"]}' \
    "$(call eval $parts --json "path:$here/consumer-parts#apps" --apply 'builtins.mapAttrs (_: builtins.attrNames)')"
  expect 'the flake module hands all options on' "$(lines deploy --app staging --detach '.#container')" \
    "$(call run $parts "path:$here/consumer-parts#deploy-staging")"
  expect 'the flake module deploys the stream of an image' '[HASH-stream-web]' \
    "$(call run $parts "path:$here/consumer-parts#deploy" | sed -n 's|/nix/store/[0-9a-z]*|HASH|; 2p')"
}

. "$here/deploys.sh"

. "$here/nixos.sh"

if [ "$failed" -gt 0 ]; then echo "$failed failed"; fi
exit "$failed"
