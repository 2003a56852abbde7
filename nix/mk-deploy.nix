# Makes a flake app that deploys one container output:
#
#   apps.x86_64-linux.deploy = snowbird.lib.mkDeploy {
#     inherit pkgs;
#     image = self.packages.x86_64-linux.container;
#   };
{ lib, packageFor }:
{
  # The nixpkgs of the machine that deploys.
  pkgs,
  # The image. Building the app then builds the image too, in one evaluation and with
  # Nix's own progress; running it takes no Nix. Of an image by buildLayeredImage only the
  # script that streams it is built, never the archive.
  image ? null,
  # Instead of `image`: the name of the output that is built when the app runs, from the
  # flake in the working directory. Without either, snowbird looks for the likeliest.
  container ? null,
  # The app on Fly.io; else the one that fly.toml names.
  app ? null,
  # fly.toml: a path of the flake, or a string, which is looked for in the working
  # directory; else `fly.toml` there. A list of them: one image for several apps.
  configFile ? null,
  # Instead of `configFile`: what stands in fly.toml, as an attribute set.
  settings ? null,
  # Further arguments of `snowbird deploy`.
  extraArgs ? [ ],
  # The snowbird that deploys.
  package ? packageFor pkgs,
}:
assert lib.assertMsg (image == null || container == null)
  "mkDeploy: give `image` or `container`, not both";
assert lib.assertMsg (configFile == null || settings == null)
  "mkDeploy: give `configFile` or `settings`, not both";
let
  streamOf = import ./stream-of.nix pkgs;

  target =
    if image != null then
      [ "${streamOf image}" ]
    else
      lib.optional (container != null) ".#${container}";

  configFiles =
    if settings != null then
      [ (import ./write-fly-json.nix pkgs settings) ]
    else
      lib.optionals (configFile != null) (lib.toList configFile);

  arguments = [
    "deploy"
  ]
  ++ lib.optionals (app != null) [
    "--app"
    app
  ]
  ++ lib.concatMap (file: [
    "--config"
    "${file}"
  ]) configFiles
  ++ extraArgs
  ++ target;

  name = if image != null then image.imageName or image.name else container;

  script = pkgs.writeShellScriptBin "deploy" ''
    exec ${lib.getExe package} ${lib.escapeShellArgs arguments} "$@"
  '';
in
{
  type = "app";
  program = lib.getExe' script "deploy";
  meta.description = "Deploy ${if name != null then name else "this flake"} to Fly.io";
}
