# What `nix flake check` builds. The tests that need a registry, a Fly or a Nix of their own
# are run by cargo: a sandbox has none of them.
{
  lib,
  pkgs,
  packageFor,
  optionsPage,
}:
let
  package = packageFor pkgs;
in
{
  inherit package;

  # `nix build .#options-page` makes it anew.
  options-page = pkgs.runCommand "options-page-is-up-to-date" { } ''
    diff ${../docs/options.md} ${optionsPage}
    touch $out
  '';

  tests = package.overrideAttrs (_final: previous: {
    pname = "${previous.pname}-tests";
    # Unit tests read the recorded logs and images that lie there.
    src = lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions (import ./sources.nix ++ [ ../tests/fixtures ]);
    };
    doCheck = true;
    cargoTestFlags = [
      "--lib"
      "--bins"
    ];
  });
}
