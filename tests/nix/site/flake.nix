{
  description = "A flake that deploys an image to several apps by mkDeploy and mkDeploys";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    snowbird.url = "github:example/snowbird";
    snowbird.inputs.nixpkgs.follows = "nixpkgs";
    # Stands for the image that a flake makes with dockerTools.
    image.url = "github:example/image";
  };

  outputs =
    {
      nixpkgs,
      snowbird,
      image,
      ...
    }:
    let
      forEach = nixpkgs.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ];
      settings = app: {
        inherit app;
        primary_region = "fra";
        http_service.internal_port = 8080;
      };
    in
    {
      apps = forEach (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          inherit (image.packages.${system}) container;
        in
        {
          deploy = snowbird.lib.mkDeploy {
            inherit pkgs;
            image = container;
            configFile = ./fly.toml;
          };
          # By name: snowbird builds it, of the flake that it is run in.
          deploy-by-name = snowbird.lib.mkDeploy {
            inherit pkgs;
            container = "stream";
            configFile = snowbird.lib.writeFlyJson pkgs (settings "named");
          };
          deploy-twins = snowbird.lib.mkDeploy {
            inherit pkgs;
            image = container;
            configFile = map (app: snowbird.lib.writeFlyJson pkgs (settings app)) [
              "castor"
              "pollux"
            ];
          };
        }
        // snowbird.lib.mkDeploys {
          inherit pkgs;
          image = container;
          extraArgs = [ "--ha=false" ];
          environments = {
            staging.settings = settings "staging";
            production = {
              settings = settings "production";
              extraArgs = [ ];
            };
          };
        }
      );
    };
}
