{
  description = "A flake that deploys by flake-parts";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    flake-parts.url = "github:hercules-ci/flake-parts";
    flake-parts.inputs.nixpkgs-lib.follows = "nixpkgs";
    snowbird.url = "github:example/snowbird";
    snowbird.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    inputs:
    inputs.flake-parts.lib.mkFlake { inherit inputs; } {
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      imports = [ inputs.snowbird.flakeModules.default ];
      perSystem =
        { config, pkgs, ... }:
        {
          packages.container = pkgs.dockerTools.buildLayeredImage {
            name = "web";
            contents = [ ];
            config = { };
          };
          snowbird.deploy.image = config.packages.container;
          snowbird.deploy-staging = {
            container = "container";
            app = "staging";
            extraArgs = [ "--detach" ];
          };
        };
    };
}
