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

