{
  description = "A web server on Fly.io";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    snowbird.url = "github:example/snowbird";
    snowbird.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      snowbird,
    }:
    let
      # Fly's machines.
      pkgs = nixpkgs.legacyPackages.x86_64-linux;

      site = pkgs.writeTextDir "index.html" ''
        <!doctype html>
        <title>Hello</title>
        <p>Hello from the Nix store.
      '';

      # Where you deploy from.
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      eachSystem = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages.x86_64-linux.container = pkgs.dockerTools.buildLayeredImage {
        name = "web";
        # A shell and users, for `fly ssh console`.
        contents = [
          pkgs.busybox
          pkgs.dockerTools.fakeNss
        ];
        config = {
          Cmd = [
            "${pkgs.busybox}/bin/httpd"
            "-f"
            "-p"
            "8080"
            "-h"
            "${site}"
          ];
          ExposedPorts."8080/tcp" = { };
        };
      };

      # nix run .#deploy
      apps = eachSystem (pkgs: {
        deploy = snowbird.lib.mkDeploy {
          inherit pkgs;
          image = self.packages.x86_64-linux.container;
          configFile = ./fly.toml;
        };
      });
    };
}
