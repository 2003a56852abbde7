# What it takes to work on snowbird.
{ pkgs, packageFor }:
pkgs.mkShell {
  inputsFrom = [ (packageFor pkgs) ];
  packages = [
    pkgs.cargo-nextest
    pkgs.clippy
    pkgs.nixfmt-tree
    pkgs.rust-analyzer
    pkgs.rustfmt
  ];
}
