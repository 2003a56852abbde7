#!/bin/sh
# Evaluates and runs what flake.nix offers, fetching nothing: nixpkgs and flake-parts are
# stand-ins that build with the host's tools.
#
#   tests/nix/check.sh [NIX]
#
# Ends with the number of parts that failed, which is 0 when all is well.
set -u
nix=${1:-nix}
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
failed=0

# A copy, for `path:` takes the whole folder into the store.
mkdir "$work/snowbird"
for part in flake.nix flake.lock nix Cargo.toml Cargo.lock README.md ARCHITECTURE.md src; do
  cp -R "$root/$part" "$work/snowbird/" || exit
done
mkdir "$work/snowbird/tests"
cp -R "$root/tests/fixtures" "$work/snowbird/tests/"

# call COMMAND ARGUMENT...: runs a command of Nix, keeping what it says for a failure.
call() {
  command=$1
  shift
  "$nix" "$command" --extra-experimental-features 'nix-command flakes' \
    --option sandbox false --option substituters '' --option flake-registry '' "$@" 2> "$work/stderr"
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

"$nix" --version || exit

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
  expect_success 'nix flake show' call flake show $ours "path:$work/snowbird"
  expect_success 'nix flake check' call flake check $ours "path:$work/snowbird"

  expect 'nix run hands its arguments on' "$(lines push .#x --json)" \
    "$(call run $ours "path:$work/snowbird" -- push '.#x' --json)"
  expect 'nix run .#deploy deploys the flake that it is run in' "$(lines deploy --detach)" \
    "$(call run $ours "path:$work/snowbird#deploy" -- --detach)"

  package=$(call build $ours --no-link --json "path:$work/snowbird" | sed 's/.*"out":"\([^"]*\)".*/\1/')
  expect 'the package has completions and a manual' 'bash fish zsh snowbird.1' \
    "$(echo "$(cd "$package/completions" && ls)" "$(cd "$package/man" && ls)" | tr '\n' ' ' | sed 's/ $//')"
  expect 'the completions are those of their shells' "$(lines completions fish)" \
    "$(cat "$package/completions/fish")"
  expect 'Nix and git come last on PATH' 1 \
    "$(grep -c '^PATH=$PATH:/nix/store/.*-nix/bin:/nix/store/.*-gitMinimal/bin exec' "$package/bin/snowbird")"
}

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

  # flake-parts.

  expect 'the flake module makes an app for each deployment and system' \
    '{"aarch64-linux":["deploy","deploy-staging"],"x86_64-linux":["deploy","deploy-staging"]}' \
    "$(call eval $parts --json "path:$here/consumer-parts#apps" --apply 'builtins.mapAttrs (_: builtins.attrNames)')"
  expect 'the flake module hands all options on' "$(lines deploy --app staging --detach '.#container')" \
    "$(call run $parts "path:$here/consumer-parts#deploy-staging")"
  expect 'the flake module deploys the stream of an image' '[HASH-stream-web]' \
    "$(call run $parts "path:$here/consumer-parts#deploy" | sed -n 's|/nix/store/[0-9a-z]*|HASH|; 2p')"
}

# The NixOS module.

module() {
  call eval --impure --json --expr "
    let
      evaluated = import $here/module.nix {
        nixpkgs = $here/nixpkgs;
        module = import $work/snowbird/nix/nixos-module.nix {
          packageFor = pkgs: pkgs.callPackage $work/snowbird/nix/package.nix { };
        };
        deployments = pkgs: $1;
      };
    in
    $2"
}
site='{ configFile = "/etc/fly.toml"; tokenFile = "/run/secrets/fly"; flake = "github:example/site#container"; startAt = "hourly"; }'
expect 'a deployment becomes a service with its arguments' \
  '["bin/snowbird","deploy","--json","--config","/etc/fly.toml","--app","my app","--detach","github:example/site#container"]' \
  "$(module "{ site = $site // { app = \"my app\"; extraArgs = [ \"--detach\" ]; }; }" \
    'evaluated.services.snowbird-site.serviceConfig.ExecStart' | sed 's|/nix/store/[^/]*/||')"
expect 'the token is handed over by systemd, and never as an argument' \
  '["token:/run/secrets/fly","%d/token","hourly"]' \
  "$(module "{ site = $site; }" 'with evaluated.services.snowbird-site; [ serviceConfig.LoadCredential environment.SNOWBIRD_TOKEN_FILE startAt ]')"
expect 'an image is deployed by its stream' '"stream-web"' \
  "$(module "{ site = removeAttrs $site [ \"flake\" ] // { image = pkgs.dockerTools.buildLayeredImage { name = \"web\"; contents = [ ]; config = { }; }; }; }" \
    'builtins.substring 44 (-1) (builtins.elemAt evaluated.services.snowbird-site.serviceConfig.ExecStart 5)')"
expect 'a deployment of nothing is refused' \
  '["services.snowbird.deployments.site: set either `flake` or `image`"]' \
  "$(module "{ site = removeAttrs $site [ \"flake\" ]; }" 'evaluated.broken')"
expect 'the program is put on PATH' '["snowbird"]' "$(module '{ }' 'evaluated.packages')"

if [ "$failed" -gt 0 ]; then echo "$failed failed"; fi
exit "$failed"
