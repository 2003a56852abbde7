{
  description = "A flake that deploys an image by the module for flake-parts";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    flake-parts.url = "github:hercules-ci/flake-parts";
    flake-parts.inputs.nixpkgs-lib.follows = "nixpkgs";
    snowbird.url = "github:example/snowbird";
    snowbird.inputs.nixpkgs.follows = "nixpkgs";
    image.url = "github:example/image";
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
        { system, ... }:
        {
          snowbird.deploy = {
            image = inputs.image.packages.${system}.container;
            settings = {
              app = "parts";
              primary_region = "ams";
              http_service.internal_port = 8080;
            };
          };
        };
    };
}
