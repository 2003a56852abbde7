# `package`, as both modules have it.
{
  lib,
  pkgs,
  packageFor,
}:
lib.mkOption {
  type = lib.types.package;
  default = packageFor pkgs;
  defaultText = lib.literalExpression "inputs.snowbird.packages.\${system}.default";
  example = lib.literalExpression "inputs.snowbird.packages.\${system}.snowbird-static";
  description = "The snowbird that deploys.";
}
