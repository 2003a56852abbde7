{
  description = "Takes a Nix flake to Fly.io: builds its container output, streams the layers into the registry, deploys the machines";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});

      packageFor = pkgs: pkgs.callPackage ./nix/package.nix { };
      # It runs anywhere, by the programs that it finds there.
      staticFor = pkgs: pkgs.pkgsStatic.callPackage ./nix/package.nix { fallbackPrograms = [ ]; };
      optionsPageFor = pkgs: import ./nix/options-page.nix { inherit lib pkgs; };

      mkDeploy = import ./nix/mk-deploy.nix { inherit lib packageFor; };
    in
    {
      packages = eachSystem (
        pkgs:
        {
          default = packageFor pkgs;
          snowbird = packageFor pkgs;
          options-page = optionsPageFor pkgs;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          snowbird-static = staticFor pkgs;
        }
      );

      apps = eachSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe (packageFor pkgs);
          meta.description = "Deploy container outputs of flakes to Fly.io";
        };
        # Without an image: the one of the flake that it is run in.
        deploy = mkDeploy { inherit pkgs; };
      });

      lib = {
        inherit mkDeploy;
        mkDeploys = import ./nix/mk-deploys.nix { inherit lib mkDeploy; };
        writeFlyJson = import ./nix/write-fly-json.nix;
      };
      overlays.default = final: _prev: { snowbird = packageFor final; };
      flakeModules.default = import ./nix/flake-module.nix { inherit mkDeploy packageFor; };
      nixosModules.default = import ./nix/nixos-module.nix { inherit packageFor; };

      templates.default = {
        path = ./nix/templates/default;
        description = "A web server as a container output, with a deploy app and its fly.toml";
        welcomeText = ''
          Choose a name in `fly.toml`, create the app with `snowbird apps create NAME`, and then:

              nix run .#deploy
        '';
      };

      checks = eachSystem (
        pkgs:
        import ./nix/checks.nix {
          inherit lib pkgs packageFor;
          optionsPage = optionsPageFor pkgs;
        }
      );
      devShells = eachSystem (pkgs: { default = import ./nix/shell.nix { inherit pkgs packageFor; }; });
      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
