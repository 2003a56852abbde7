# What flake-module.nix adds to `perSystem`.
{ mkDeploy, packageFor }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  pathOrString = types.either types.path types.str;
in
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
            type = types.nullOr (types.either pathOrString (types.listOf pathOrString));
            default = null;
            example = lib.literalExpression "./fly.toml";
            description = ''
              {file}`fly.toml`: a path of the flake, or a string, which is looked for in the
              working directory. A list of them deploys one image to several apps.
            '';
          };
          settings = import ./settings-option.nix { inherit lib pkgs; };
          extraArgs = mkOption {
            type = types.listOf types.str;
            default = [ ];
            example = [ "--wait-timeout=10m" ];
            description = "Further arguments of `snowbird deploy`.";
          };
          package = import ./package-option.nix { inherit lib pkgs packageFor; };
        };
      }
    );
  };

  config.apps = lib.mapAttrs (
    _: deployment: mkDeploy (deployment // { inherit pkgs; })
  ) config.snowbird;
}
