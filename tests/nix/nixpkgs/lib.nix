# As much of nixpkgs' lib as snowbird's Nix files use, for tests where nixpkgs
# cannot be fetched. It merges definitions but checks no types.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    functionArgs
    head
    intersectAttrs
    isAttrs
    isFunction
    isList
    length
    listToAttrs
    mapAttrs
    match
    removeAttrs
    ;

  lib = rec {
    inherit (builtins) mapAttrs attrNames attrValues concatStringsSep isAttrs isFunction;

    nameValuePair = name: value: { inherit name value; };
    genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
    mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
    mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
    filterAttrs = f: set: listToAttrs (concatMap (n: if f n set.${n} then [ (nameValuePair n set.${n}) ] else [ ]) (attrNames set));
    concatMap = builtins.concatMap;
    concatLists = builtins.concatLists;
    toList = x: if isList x then x else [ x ];
    splitString = separator: text: filter builtins.isString (builtins.split separator text);
    removeSuffix =
      suffix: text:
      let
        kept = builtins.stringLength text - builtins.stringLength suffix;
      in
      if kept >= 0 && builtins.substring kept (-1) text == suffix then builtins.substring 0 kept text else text;
    optional = c: x: if c then [ x ] else [ ];
    optionals = c: xs: if c then xs else [ ];
    optionalAttrs = c: xs: if c then xs else { };
    optionalString = c: s: if c then s else "";
    last = xs: elemAt xs (length xs - 1);
    recursiveUpdate =
      a: b:
      a // mapAttrs (n: v: if a ? ${n} && isAttrs a.${n} && isAttrs v && !(v ? type) then recursiveUpdate a.${n} v else v) b;

    escapeShellArg =
      arg:
      let
        s = toString arg;
      in
      if match "[[:alnum:],._+:@%/-]+" s != null then s else "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] s}'";
    escapeShellArgs = args: concatStringsSep " " (map escapeShellArg args);
    getExe' = drv: name: "${drv}/bin/${name}";
    getExe = drv: getExe' drv (drv.meta.mainProgram or drv.pname or drv.name);
    makeBinPath = drvs: concatStringsSep ":" (map (d: "${d}/bin") drvs);
    callPackageWith =
      auto: fn: args:
      let
        f = if isFunction fn then fn else import fn;
      in
      f (intersectAttrs (functionArgs f) auto // args);
    literalExpression = text: { _type = "literalExpression"; inherit text; };
    setFunctionArgs = f: args: { __functor = _: f; __functionArgs = args; };
    importApply = file: args: import file args;
    throwIf = c: m: x: if c then throw m else x;
    assertMsg = c: m: c || throw m;
    importTOML = file: builtins.fromTOML (builtins.readFile file);
    licenses = {
      mit.spdxId = "MIT";
      asl20.spdxId = "Apache-2.0";
    };
    platforms.unix = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];

    # A set of files is the list of their paths here. As in nixpkgs, each must exist.
    fileset = {
      unions = map (path: if builtins.pathExists path then path else throw "lib.fileset: ${toString path} does not exist");
      toSource =
        { root, fileset }:
        let
          files = map toString fileset;
          isWithin = folder: path: path == folder || builtins.substring 0 (builtins.stringLength folder + 1) path == "${folder}/";
        in
        builtins.path {
          name = "source";
          path = root;
          filter = path: _: builtins.any (file: isWithin file path || isWithin path file) files;
        };
    };

    systems.flakeExposed = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];

    # Options and modules

    mkOption = attrs: attrs // { _type = "option"; };
    mkEnableOption =
      name:
      mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether to enable ${name}.";
      };
    mkPackageOption = pkgs: name: _: mkOption { type = types.package; default = pkgs.${name}; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;

    generators.toPretty =
      { multiline }:
      value:
      if value == null then
        "null"
      else if isList value then
        "[ ${concatStringsSep "" (map (x: "${generators.toPretty { inherit multiline; } x} ") value)}]"
      else if value == { } then
        "{ }"
      else
        builtins.toJSON value;

    # All definitions that a value holds, with their priorities.
    discharge =
      value:
      if value._type or null == "if" then
        if value.condition then discharge value.content else [ ]
      else if value._type or null == "merge" then
        concatMap discharge value.contents
      else if value._type or null == "override" then
        map (d: d // { inherit (value) priority; }) (discharge value.content)
      else
        [ { inherit value; priority = 100; } ];

    strongest =
      definitions:
      let
        least = foldl' (m: d: if d.priority < m then d.priority else m) 9999 definitions;
      in
      map (d: d.value) (filter (d: d.priority == least) definitions);

    # Descriptions are as in nixpkgs: one type within another is put in parentheses where
    # it is of no class that reads well there.
    types =
      let
        phrase = classes: type: if elem (type.descriptionClass or "") classes then type.description else "(${type.description})";
        make = description: attrs: { inherit description; descriptionClass = "noun"; getSubOptions = _: { }; merge = _: values: last values; } // attrs;
        listOf =
          elemType:
          make "list of ${phrase [ "noun" "composite" ] elemType}" {
            descriptionClass = "composite";
            getSubOptions = path: elemType.getSubOptions (path ++ [ "*" ]);
            merge = path: values: concatMap (v: map (x: elemType.merge path [ x ]) v) values;
          };
        attrsOf =
          elemType:
          make "attribute set of ${phrase [ "noun" "composite" ] elemType}" {
            descriptionClass = "composite";
            getSubOptions = path: elemType.getSubOptions (path ++ [ "<name>" ]);
            merge =
              path: values:
              let
                names = attrNames (foldl' (a: b: a // b) { } values);
              in
              listToAttrs (
                map (
                  n:
                  nameValuePair n (
                    elemType.merge (path ++ [ n ]) (strongest (concatMap (v: if v ? ${n} then discharge v.${n} else [ ]) values))
                  )
                ) names
              );
          };
        anything = make "anything" {
          merge = path: values: if isAttrs (head values) && !((head values) ? type) then (attrsOf anything).merge path values else last values;
        };
      in
      {
        inherit listOf attrsOf anything;
        nullOr =
          elemType:
          make "null or ${phrase [ "noun" "conjunction" ] elemType}" {
            descriptionClass = "conjunction";
            inherit (elemType) getSubOptions;
            merge = path: values: if last values == null then null else elemType.merge path values;
          };
        either =
          a: b:
          make "${phrase [ "noun" "conjunction" ] a} or ${phrase [ "noun" "conjunction" "composite" ] b}" {
            descriptionClass = "conjunction";
          };
        submodule =
          module:
          make "submodule" {
            descriptionClass = null;
            getSubOptions = prefix: (evalModules { modules = [ module ]; inherit prefix; }).options;
            merge = path: values: (evalModules { modules = [ module ] ++ values; specialArgs.name = last path; }).config;
          };
        deferredModule = make "module" { merge = _: values: { imports = values; }; };
        str = make "string" { };
        path = make "absolute path" { };
        bool = make "boolean" { };
        package = make "package" { };
        raw = make "raw value" { };
      };

    evalModules =
      { modules, specialArgs ? { }, prefix ? [ ] }:
      let
        argsOf = module: if module ? __functionArgs then module.__functionArgs else functionArgs module;
        load =
          module:
          if builtins.isPath module || builtins.isString module then
            load (import module)
          else if isFunction module || module ? __functor then
            load (module (mapAttrs (n: _: args.${n} or config._module.args.${n}) (argsOf module) // args))
          else if isList module then
            concatMap load module
          else
            concatMap load (module.imports or [ ]) ++ [ module ];
        args = { inherit lib config options; } // specialArgs;
        loaded = concatMap load (modules ++ [ { options._module.args = mkOption { type = types.attrsOf types.raw; default = { }; }; } ]);
        structured = m: m ? config || m ? options;
        declared = foldl' recursiveUpdate { } (map (m: m.options or { }) loaded);
        freeform = foldl' (found: m: m.freeformType or found) null loaded;
        definitions = concatMap (
          m: discharge (if structured m then m.config or { } else removeAttrs m [ "imports" "freeformType" "_file" "key" ])
        ) loaded;
        located =
          path:
          mapAttrs (
            n: o: if o._type or null == "option" then o // { loc = path ++ [ n ]; } else located (path ++ [ n ]) o
          );
        options = located prefix declared;
        # Each definition is pushed down, with its conditions, to the options.
        at =
          path: tree: defs:
          mapAttrs (
            name: option:
            let
              here = concatMap (
                d: if d.value ? ${name} then map (e: if d.priority == 100 then e else e // { inherit (d) priority; }) (discharge d.value.${name}) else [ ]
              ) defs;
              where = path ++ [ name ];
            in
            if option._type or null == "option" then
              let
                values = strongest (here ++ (if option ? default then discharge (mkOverride 1500 option.default) else [ ]));
              in
              (option.apply or (x: x)) (
                if values == [ ] then throw "The option `${concatStringsSep "." where}' has no value" else option.type.merge where values
              )
            else
              at where option here
          ) tree
          // (
            let
              unknown = filter (n: !(tree ? ${n})) (concatMap (d: attrNames d.value) defs);
            in
            if unknown == [ ] then
              { }
            else if freeform != null && path == [ ] then
              genAttrs unknown (n: types.anything.merge [ n ] (strongest (concatMap (d: if d.value ? ${n} then discharge d.value.${n} else [ ]) defs)))
            else
              throw "The option `${concatStringsSep "." (path ++ [ (head unknown) ])}' does not exist"
          );
        config = at [ ] declared definitions;
      in
      { inherit options; config = removeAttrs config [ "_module" ]; };
  };
in
lib
