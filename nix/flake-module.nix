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
{ flake-parts-lib, ... }:
{
  options.perSystem = flake-parts-lib.mkPerSystemOption (
    import ./per-system-module.nix { inherit mkDeploy packageFor; }
  );
}
