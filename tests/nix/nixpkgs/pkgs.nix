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

  # Stands for the Rust build: the program is the one that cargo has built, where the
  # variable names it and the evaluation may see variables (`--impure`); else one that
  # prints its arguments. What the package does before and after its build is done in
  # earnest, with stand-ins for the hooks.
  buildRustPackage =
    attrs:
    run "${attrs.pname}-${attrs.version}"
      {
        inherit (attrs) src postPatch postInstall;
        inherit (attrs) meta;
        program =
          let
            built = builtins.getEnv "SNOWBIRD_BINARY";
          in
          if built != "" then "exec ${built} \"$@\"" else "for argument in \"$@\"; do echo \"[$argument]\"; done";
        passthru = {
          inherit (attrs) pname version;
          overrideAttrs = change: buildRustPackage (attrs // change attrs attrs);
        };
      }
      ''
        cp -R "$src" source && chmod -R u+w source && cd source
        eval "$postPatch"
        test -f src/main.rs && test -f ARCHITECTURE.md
        mkdir -p "$out/bin"
        printf '#!/bin/sh\n%s\n' "$program" > "$out/bin/${attrs.meta.mainProgram}"
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
          isLinux = lib.last (lib.splitString "-" system) == "linux";
        };
        buildPlatform.canExecute = _: true;
      };
      callPackage = lib.callPackageWith pkgs;
      runCommand = run;
      writeText =
        name: text:
        run name {
          inherit text;
          passAsFile = [ "text" ];
        } ''cp "$textPath" "$out"'';
      formats.json = _: { type = lib.types.anything // { description = "JSON value"; descriptionClass = "conjunction"; }; };
      pkgsStatic = pkgs;
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
