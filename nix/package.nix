{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  makeBinaryWrapper,
  versionCheckHook,
  nix,
  gitMinimal,
  # Programs that are run where the host has none of its own.
  fallbackPrograms ? [
    nix
    gitMinimal
  ],
}:
let
  inherit (lib.importTOML ../Cargo.toml) package;
in
rustPlatform.buildRustPackage {
  pname = package.name;
  inherit (package) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions (import ./sources.nix);
  };
  cargoLock.lockFile = ../Cargo.lock;

  # The crate's documentation includes this page; the program does not.
  postPatch = "touch ARCHITECTURE.md";

  nativeBuildInputs = [
    installShellFiles
    makeBinaryWrapper
  ];

  # `checks.tests` runs them: users need not compile them.
  doCheck = false;

  postInstall =
    lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      for shell in bash fish zsh; do
        "$out/bin/snowbird" completions "$shell" > "snowbird.$shell"
      done
      installShellCompletion --cmd snowbird \
        --bash snowbird.bash --fish snowbird.fish --zsh snowbird.zsh
      "$out/bin/snowbird" man > snowbird.1
      installManPage snowbird.1
    ''
    # Last on PATH: the host's own Nix, of whatever make and version, comes first.
    + lib.optionalString (fallbackPrograms != [ ]) ''
      wrapProgram "$out/bin/snowbird" --suffix PATH : ${lib.makeBinPath fallbackPrograms}
    '';

  doInstallCheck = true;
  nativeInstallCheckInputs = [ versionCheckHook ];

  meta = {
    inherit (package) description;
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "snowbird";
    platforms = lib.platforms.unix;
  };
}
