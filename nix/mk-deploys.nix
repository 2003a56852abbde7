# Makes a flake app `deploy-NAME` of each environment. What environments have in common
# stands beside them, and each may say otherwise:
#
#   apps.x86_64-linux = snowbird.lib.mkDeploys {
#     inherit pkgs;
#     image = self.packages.x86_64-linux.container;
#     environments = {
#       staging.configFile = ./fly.staging.toml;
#       production.configFile = ./fly.toml;
#     };
#   };
{ lib, mkDeploy }:
{
  # An attribute set of arguments of mkDeploy for each environment.
  environments,
  # Arguments of mkDeploy for all of them; `pkgs` at least.
  ...
}@arguments:
lib.mapAttrs' (
  name: environment:
  lib.nameValuePair "deploy-${name}" (
    mkDeploy (removeAttrs arguments [ "environments" ] // environment)
  )
) environments
