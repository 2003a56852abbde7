# What outputs are, without building any. `--apply` gets one of the two functions:
#
#   nix eval --json FLAKE#packages.x86_64-linux --apply "(…).containers"
#   nix eval --json INSTALLABLE --apply "(…).output \"out\""
#
# A set with an attribute `outPath` would be printed as that string alone: hence storePath.
let
  inherit (builtins)
    attrNames
    concatMap
    deepSeq
    elem
    filter
    isFunction
    isString
    match
    tryEval
    unsafeDiscardStringContext
    ;

  # By how often they are used; then whatever ends in one of the two words.
  usual = [
    "container"
    "image"
    "dockerImage"
    "docker"
    "ociImage"
    "oci"
    "docker-image"
    "container-image"
  ];

  string = value: if isString value then unsafeDiscardStringContext value else null;

  # A derivation that is of use by itself. What is no set has none of these attributes.
  part =
    package:
    if isString (package.outPath or null) then
      {
        storePath = string package.outPath;
        system = string (package.system or null);
      }
    else
      null;

  # `dockerTools` gives an archive the script that streams it, and a script its plan.
  describe =
    name: output: package:
    let
      stream = if package.isExe or false then package else package.stream or null;
      whole = if output == "out" then package else package.${output} or null;
    in
    {
      inherit name;
      storePath = string (whole.outPath or null);
      imageName = string (package.imageName or null);
      imageTag = string (package.imageTag or null);
      stream = part stream;
      plan = part (stream.conf or null);
    };

  # An output that cannot be evaluated must not hide the others.
  try =
    name: output: package:
    let
      described = describe name output package;
      result = tryEval (deepSeq described described);
    in
    if result.success then result.value else describe name output null;
in
{
  output =
    output: package:
    let
      described = describe "" output package;
    in
    deepSeq described described;

  containers =
    value:
    let
      packages = if isFunction value then value { } else value;
      names = attrNames packages;
      likely = filter (name: elem name names) usual ++ filter (
        name: !(elem name usual) && match ".*-(container|image)" name != null
      ) names;

      # `default` is mostly a program: only what says that it is an image counts.
      isImage = name: (tryEval (packages.${name} ? imageName)).value;
      candidates = likely ++ filter (name: name == "default" && isImage name) names;
    in
    # A file may well be one derivation and nothing else.
    if isString (packages.outPath or null) then
      {
        packages = [ ];
        containers = [ (try "" "out" packages) ];
      }
    else
      {
        packages = names;
        containers = concatMap (name: [ (try name "out" packages.${name}) ]) candidates;
      };
}
