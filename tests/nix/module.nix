# Evaluates the NixOS module with `lib.evalModules` and stand-ins for the options of NixOS
# that it sets.
{
  nixpkgs,
  module,
  deployments,
  # The host's Nix.
  nix ? null,
}:
let
  lib = import "${nixpkgs}/lib.nix";
  pkgs = import "${nixpkgs}/pkgs.nix" lib builtins.currentSystem;
  inherit (lib) mkOption types;
  any = default: mkOption {
    inherit default;
    type = types.anything;
  };
  evaluated = lib.evalModules {
    specialArgs = {
      inherit pkgs;
      # As in NixOS.
      utils.escapeSystemdExecArgs =
        arguments:
        builtins.concatStringsSep " " (
          map (
            argument: builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON (toString argument))
          ) arguments
        );
    };
    modules = [
      module
      {
        options = {
          assertions = mkOption {
            default = [ ];
            type = types.listOf types.raw;
          };
          environment.systemPackages = mkOption {
            default = [ ];
            type = types.listOf types.package;
          };
          nix.package = any (if nix != null then nix else pkgs.nix);
          systemd.services = mkOption {
            default = { };
            type = types.attrsOf types.raw;
          };
          systemd.timers = mkOption {
            default = { };
            type = types.attrsOf types.raw;
          };
        };
      }
      {
        programs.snowbird.enable = true;
        services.snowbird.deployments = deployments pkgs;
      }
    ];
  };
in
{
  inherit (evaluated.config.systemd) services timers;
  # To be built: what the services run is built with it.
  units = pkgs.writeText "units.json" (builtins.toJSON evaluated.config.systemd.services);
  broken = map (a: a.message) (builtins.filter (a: !a.assertion) evaluated.config.assertions);
  packages = map (p: p.pname) evaluated.config.environment.systemPackages;
}
