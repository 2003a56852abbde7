# Sourced by check.sh: the NixOS module, what it makes of deployments, and whether its units
# are good ones and deploy.

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
# A string of JSON as its text.
text() { python3 -c 'import json, sys; print(json.load(sys.stdin))'; }

site='{ configFile = "/etc/fly.toml"; tokenFile = "/run/secrets/fly"; flake = "github:example/site#container"; startAt = "hourly"; }'
expect 'a deployment becomes a service with its arguments' \
  '"bin/snowbird" "deploy" "--json" "--config" "/etc/fly.toml" "--app" "my app" "--detach" "github:example/site#container"' \
  "$(module "{ site = $site // { app = \"my app\"; extraArgs = [ \"--detach\" ]; }; }" \
    'evaluated.services.snowbird-site.serviceConfig.ExecStart' | text | sed 's|/nix/store/[^/]*/||')"
expect 'the token is handed over by systemd, and never as an argument' \
  '["token:/run/secrets/fly","%d/token","hourly"]' \
  "$(module "{ site = $site; }" 'with evaluated.services.snowbird-site; [ serviceConfig.LoadCredential environment.SNOWBIRD_TOKEN_FILE startAt ]')"
expect 'an image is deployed by its stream' 'stream-web' \
  "$(module "{ site = removeAttrs $site [ \"flake\" ] // { image = pkgs.dockerTools.buildLayeredImage { name = \"web\"; contents = [ ]; config = { }; }; }; }" \
    'evaluated.services.snowbird-site.serviceConfig.ExecStart' | text | sed 's|.*/nix/store/[0-9a-z]*-\(.*\)"$|\1|')"
expect 'a deployment of nothing is refused' \
  '["services.snowbird.deployments.site: set either `flake` or `image`"]' \
  "$(module "{ site = removeAttrs $site [ \"flake\" ]; }" 'evaluated.broken')"
expect 'the program is put on PATH' '["snowbird"]' "$(module '{ }' 'evaluated.packages')"

expect 'a deployment with two configurations is refused' \
  '["services.snowbird.deployments.site: set either `configFile` or `settings`"]' \
  "$(module "{ site = $site // { settings.app = \"site\"; }; }" 'evaluated.broken')"
expect 'a timer may make up for what it missed, and be late by chance' \
  '{"snowbird-site":{"timerConfig":{"Persistent":false,"RandomizedDelaySec":"10min"}}}' \
  "$(module "{ site = $site // { persistent = false; randomizedDelaySec = \"10min\"; }; }" 'evaluated.timers')"
expect 'without a time there is no timer' '{}' "$(module "{ site = removeAttrs $site [ \"startAt\" ]; }" 'evaluated.timers')"
expect 'a deployment may be part of a switch' '[["multi-user.target"],[]]' \
  "$(module "{ a = $site // { onSwitch = true; }; b = $site; }" 'with evaluated.services; [ snowbird-a.wantedBy snowbird-b.wantedBy ]')"
expect 'what Nix builds when it runs comes after its daemon' \
  '[["network-online.target","nix-daemon.socket"],["network-online.target"]]' \
  "$(module "{ a = $site; b = removeAttrs $site [ \"flake\" ] // { image = \"/an/image\"; }; }" 'with evaluated.services; [ snowbird-a.after snowbird-b.after ]')"

expect 'Nix and git are on its PATH' '["nix","gitMinimal"]' \
  "$(module "{ site = $site; }" 'map (package: package.name) evaluated.services.snowbird-site.path')"

# The units themselves, one of each kind. Like any, they find the platform by variables.

cat > "$work/units.nix" <<N
let
  evaluated = import $here/module.nix {
    nixpkgs = $here/nixpkgs;
    module = import $work/snowbird/nix/nixos-module.nix {
      packageFor = pkgs: pkgs.callPackage $work/snowbird/nix/package.nix { };
    };
    nix = "$work";
    deployments =
      pkgs:
      let
        deployment = app: {
          settings = {
            inherit app;
            primary_region = "fra";
            http_service.internal_port = 8080;
          };
          tokenFile = "$work/token";
          onFailure = [ "notify@%n.service" ];
          extraArgs = [
            "--smoke-checks=false"
            "--env"
            "LITERALLY=100% \$HOME"
          ];
          environment = {
            FLY_FLAPS_BASE_URL = "$url";
            FLY_API_BASE_URL = "$url";
            FLY_UIEX_BASE_URL = "$url";
            FLY_REGISTRY_HOST = "${url#http://}";
          };
        };
      in
      {
        image = deployment "by-image" // {
          image = (import $work/image/image.nix { system = builtins.currentSystem; }).packages.container;
        };
        flake = deployment "by-flake" // {
          flake = "path:$work/image#stream";
        };
      };
  };
in
evaluated.units
N
units=$(call build --impure --no-link --json --expr "import $work/units.nix" | sed 's/.*"out":"\([^"]*\)".*/\1/')

mkdir "$work/units"
for kind in image flake; do
  unit=snowbird-$kind.service
  python3 "$here/unit.py" write "$units" "snowbird-$kind" > "$work/units/$unit"
  expect "systemd finds no fault with $unit" '' \
    "$(SYSTEMD_UNIT_PATH="$work/units:" systemd-analyze verify --man=no "$work/units/$unit" 2>&1)"
  expect_success 'and exposes it to little' \
    systemd-analyze security --offline=yes --threshold=20 --no-pager "$work/units/$unit"

  python3 "$here/unit.py" run "$units" "snowbird-$kind" "$work" > "$work/stdout" 2> "$work/stderr"
  expect 'and it deploys' "$two" \
    "$(machines "by-$kind" "$(sed -n 's/.*"image":"\([^"]*\)".*/\1/p' "$work/stdout")")"
  python3 "$here/unit.py" run "$units" "snowbird-$kind" "$work" > "$work/stdout" 2> "$work/stderr"
  expect 'and touches no machine where nothing has changed' '"changed":0,"unchanged":2' \
    "$(grep -o '"changed":[0-9]*,"unchanged":[0-9]*' "$work/stdout")"
done
expect 'with its arguments as they were given' "$(printf '100%% $HOME\n100%% $HOME')" \
  "$(python3 -c 'import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer sandbox"})
for machine in json.load(urllib.request.urlopen(request)):
    print(machine["config"]["env"]["LITERALLY"])' "$url/v1/apps/by-image/machines")"
