# Packages made of raw derivations, /bin/sh and the host's tools: no sandbox.
lib: system:
let
  run =
    name: attrs: script:
    derivation (
      (removeAttrs attrs [
        "meta"
        "passthru"
      ])
      // {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-euc"
          script
        ];
        PATH = "/usr/local/bin:/usr/bin:/bin";
      }
    )
    // (attrs.passthru or { })
    // {
      meta = attrs.meta or { };
    };

  named = names: lib.genAttrs names (name: run name { } "mkdir -p $out/bin");

  # Stands for the Rust build: a program that prints its arguments. What the package does
  # after its build is done in earnest, with stand-ins for the hooks.
  buildRustPackage =
    attrs:
    run "${attrs.pname}-${attrs.version}"
      {
        inherit (attrs) src postInstall;
        inherit (attrs) meta;
        passthru = {
          inherit (attrs) pname version;
          overrideAttrs = change: buildRustPackage (attrs // change attrs attrs);
        };
      }
      ''
        test -f "$src/src/main.rs"
        mkdir -p "$out/bin"
        printf '#!/bin/sh\nfor argument in "$@"; do echo "[$argument]"; done\n' > "$out/bin/${attrs.meta.mainProgram}"
        chmod +x "$out/bin/${attrs.meta.mainProgram}"

        installShellCompletion() {
          test "$1 $2" = "--cmd ${attrs.meta.mainProgram}"; shift 2
          while [ "$#" -gt 0 ]; do
            mkdir -p "$out/completions"
            cp "$2" "$out/completions/''${1#--}"; shift 2
          done
        }
        installManPage() { mkdir -p "$out/man"; cp "$@" "$out/man"; }
        wrapProgram() {
          test "$2 $3 $4" = "--suffix PATH :"
          mv "$1" "$1-wrapped"
          printf '#!/bin/sh\nPATH=$PATH:%s exec %s "$@"\n' "$5" "$1-wrapped" > "$1"
          chmod +x "$1"
        }
        eval "$postInstall"
      '';

  pkgs =
    named [
      "busybox"
      "cargo-nextest"
      "clippy"
      "gitMinimal"
      "installShellFiles"
      "makeBinaryWrapper"
      "nix"
      "nixfmt-tree"
      "rust-analyzer"
      "rustfmt"
      "versionCheckHook"
    ]
    // {
      inherit lib system;
      stdenv = {
        hostPlatform = {
          inherit system;
        };
        buildPlatform.canExecute = _: true;
      };
      callPackage = lib.callPackageWith pkgs;
      runCommand = run;
      mkShell = { packages, inputsFrom }: run "shell" { inherit packages inputsFrom; } "touch $out";
      writeShellScriptBin =
        name: text:
        run name
          {
            inherit text;
            passAsFile = [ "text" ];
            meta.mainProgram = name;
          }
          ''
            mkdir -p "$out/bin"
            { echo '#!/bin/sh'; cat "$textPath"; } > "$out/bin/${name}"
            chmod +x "$out/bin/${name}"
          '';
      writeTextDir =
        name: text:
        run name {
          inherit text;
          passAsFile = [ "text" ];
        } ''mkdir "$out"; cp "$textPath" "$out/${name}"'';
      dockerTools = {
        fakeNss = run "fake-nss" { } "mkdir $out";
        buildLayeredImage =
          {
            name,
            contents,
            config,
          }:
          let
            stream = run "stream-${name}" {
              inherit contents;
              config = builtins.toJSON config;
            } ''echo "$config" > "$out"; chmod +x "$out"'';
          in
          run "${name}.tar.gz" {
            passthru = {
              inherit stream;
              imageName = name;
            };
          } "echo 'the archive is not to be built' >&2; exit 1";
      };
      rustPlatform = {
        inherit buildRustPackage;
      };
    };
in
pkgs
