# For flake-parts:
#
#   imports = [ inputs.snowbird.flakeModules.default ];
#   perSystem = { config, ... }: {
#     snowbird.deploy.image = config.packages.container;
#   };
#
# makes `apps.deploy`. `flake-parts-lib` is an argument of every module, so flake-parts is no
# input of this flake.
{ mkDeploy, packageFor }:
{ flake-parts-lib, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.perSystem = flake-parts-lib.mkPerSystemOption (
    { config, pkgs, ... }:
    {
      options.snowbird = mkOption {
        default = { };
        description = "Apps that deploy a container output to Fly.io, by name.";
        example = lib.literalExpression ''
          {
            deploy.image = config.packages.container;
            deploy-staging = {
              image = config.packages.container;
              configFile = ./fly.staging.toml;
            };
          }
        '';
        type = types.attrsOf (
          types.submodule {
            options = {
              image = mkOption {
                type = types.nullOr types.package;
                default = null;
                example = lib.literalExpression "config.packages.container";
                description = "The image. It is built with the app.";
              };
              container = mkOption {
                type = types.nullOr types.str;
                default = null;
                example = "container";
                description = ''
                  Instead of {option}`image`, the name of the output that is built when the app
                  runs, from the flake in the working directory. Without either, the likeliest
                  is looked for.
                '';
              };
              app = mkOption {
                type = types.nullOr types.str;
                default = null;
                example = "my-app";
                description = "The app on Fly.io; by default the one that {file}`fly.toml` names.";
              };
              configFile = mkOption {
                type = types.nullOr (types.either types.path types.str);
                default = null;
                example = lib.literalExpression "./fly.toml";
                description = ''
                  {file}`fly.toml`: a path of the flake, or a string, which is looked for in the
                  working directory.
                '';
              };
              extraArgs = mkOption {
                type = types.listOf types.str;
                default = [ ];
                example = [ "--wait-timeout=10m" ];
                description = "Further arguments of `snowbird deploy`.";
              };
              package = mkOption {
                type = types.package;
                default = packageFor pkgs;
                defaultText = lib.literalExpression "inputs.snowbird.packages.\${system}.default";
                description = "The snowbird that deploys.";
              };
            };
          }
        );
      };

      config.apps = lib.mapAttrs (
        _: deployment: mkDeploy (deployment // { inherit pkgs; })
      ) config.snowbird;
    }
  );
}
