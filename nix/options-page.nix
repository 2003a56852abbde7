# docs/options.md, made of what the modules declare. Every option must have a description and
# an example.
{ lib, pkgs }:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    replaceStrings
    ;
  # Nobody asks for the value of an option here.
  packageFor = throw "the options page builds no package";
  mkDeploy = throw "the options page makes no app";

  declared =
    prefix: module:
    (lib.evalModules {
      inherit prefix;
      modules = [
        module
        { _module.check = false; }
      ];
      specialArgs = {
        inherit pkgs;
        utils = { };
      };
    }).options;

  # An option, the options of its submodules after it.
  listed =
    options:
    concatMap (
      name:
      let
        option = options.${name};
      in
      if builtins.substring 0 1 name == "_" then
        [ ]
      else if option._type or null == "option" then
        [ option ] ++ listed (option.type.getSubOptions option.loc)
      else
        listed option
    ) (attrNames options);

  text =
    value:
    if value._type or null == "literalExpression" then
      value.text
    else
      lib.generators.toPretty { multiline = false; } value;

  # As a line, or as a block where it has several.
  shown =
    label: value:
    let
      lines = lib.splitString "\n" (lib.removeSuffix "\n" (text value));
    in
    if builtins.length lines == 1 then
      "* ${label}: `${builtins.head lines}`\n"
    else
      "* ${label}:\n\n  ```nix\n${concatStringsSep "" (map (line: "  ${line}\n") lines)}  ```\n";

  plain = replaceStrings [ "{file}" "{manpage}" "{option}" ] [ "" "" "" ];

  entry = option: ''

    ### `${concatStringsSep "." option.loc}`

    ${lib.removeSuffix "\n" (plain option.description)}

    * type: ${option.type.description}
    ${
      if option ? defaultText then
        shown "default" option.defaultText
      else if option ? default then
        shown "default" option.default
      else
        "* to be set: there is no default\n"
    }${shown "example" option.example}'';

  chapter =
    title: introduction: options:
    "\n## ${title}\n\n${introduction}\n" + concatStringsSep "" (map entry (listed options));
in
pkgs.writeText "options.md" (
  ''
    # Options

    What the modules of this flake declare. This page is made by `nix build .#options-page`.
  ''
  + chapter "NixOS" "Of `nixosModules.default`." (
    declared [ ] (import ./nixos-module.nix { inherit packageFor; })
  )
  + chapter "flake-parts" "Of `flakeModules.default`: each deployment becomes an app of its name." (
    declared [ "perSystem" ] (import ./per-system-module.nix { inherit mkDeploy packageFor; })
  )
)
