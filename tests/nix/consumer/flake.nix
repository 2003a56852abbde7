{
  description = "A flake that deploys by mkDeploy, with awkward names";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    snowbird.url = "github:example/snowbird";
    snowbird.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, snowbird, ... }:
    let
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      mkDeploy = arguments: snowbird.lib.mkDeploy ({ inherit pkgs; } // arguments);
      image = pkgs.dockerTools.buildLayeredImage {
        name = "web";
        contents = [ ];
        config = { };
      };
    in
    {
      apps.x86_64-linux = {
        plain = mkDeploy { };
        named = mkDeploy {
          container = "it's mine";
          app = "my app";
          configFile = "fly.staging.toml";
          extraArgs = [
            "--env"
            "GREETING=hello, \"$world\""
          ];
        };
        file = mkDeploy { configFile = ./fly.toml; };
        settings = mkDeploy {
          settings = {
            app = "web";
            http_service.internal_port = 8080;
          };
        };
        foreign = mkDeploy {
          # An image whose script this machine cannot run.
          image = image // {
            system = "aarch64-linux";
            stream = throw "the script is for another system";
            outPath = "/an/archive";
          };
        };
        both = mkDeploy {
          inherit image;
          container = "web";
        };
      };
    };
}
