# What the container outputs of a flake are, without building any. It is applied to the
# packages of one system:
#
#   nix eval --json FLAKE#packages.x86_64-linux --apply "$(cat describe.nix)"
#
# A set with an attribute `outPath` would be printed as that string alone: hence storePath.
packages:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    isString
    match
    tryEval
    ;

  names = attrNames packages;

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
  likely = filter (name: elem name names) usual ++ filter (
    name: !(elem name usual) && match ".*-(container|image)" name != null
  ) names;

  # `default` is mostly a program: only what says that it is an image counts.
  isImage = name: (tryEval (packages.${name} ? imageName)).value;
  candidates = likely ++ filter (name: name == "default" && isImage name) names;

  string = value: if isString value then value else null;

  describe =
    name:
    let
      package = packages.${name};
      described = {
        inherit name;
        storePath = builtins.unsafeDiscardStringContext package.outPath;
        imageName = string (package.imageName or null);
        imageTag = string (package.imageTag or null);
        hasStream = package ? stream || package.isExe or false;
      };
      # An output that cannot be evaluated must not hide the others.
      result = tryEval (builtins.deepSeq described described);
    in
    if result.success then
      [ result.value ]
    else
      [
        {
          inherit name;
          storePath = null;
          imageName = null;
          imageTag = null;
          hasStream = false;
        }
      ];
in
{
  packages = names;
  containers = concatMap describe candidates;
}
