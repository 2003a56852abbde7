# A fly.json in the store, of what stands in fly.toml: snowbird and flyctl read one as the
# other. It may hold paths of packages, as in `processes.app = lib.getExe web`.
pkgs: settings: pkgs.writeText "fly.json" (builtins.toJSON settings)
