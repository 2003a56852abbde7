# `settings`, as both modules have it.
{ lib, pkgs }:
lib.mkOption {
  type = lib.types.nullOr (pkgs.formats.json { }).type;
  default = null;
  example = lib.literalExpression ''
    {
      app = "my-app";
      primary_region = "fra";
      http_service.internal_port = 8080;
    }
  '';
  description = ''
    Instead of {option}`configFile`, what stands in {file}`fly.toml`. It is written to the
    store as {file}`fly.json`, so it is no place for secrets.
  '';
}
