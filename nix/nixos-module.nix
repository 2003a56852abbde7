# For hosts that deploy unattended: each deployment is a systemd service `snowbird-NAME`,
# started by a timer, by hand, or by whatever runs CI there.
{ packageFor }:
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib) mkOption types;
  programs = config.programs.snowbird;
  services = config.services.snowbird;

  packageOption = import ./package-option.nix { inherit lib pkgs packageFor; };

  deployment = types.submodule {
    options = {
      flake = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "github:example/site#container";
        description = ''
          What to build and deploy: a flake reference, with or without the name of an output.
          The Nix daemon of this host builds it when the service runs. Where nothing has changed
          since, nothing is pushed and no machine is touched.
        '';
      };
      image = mkOption {
        type = types.nullOr (types.either types.package types.path);
        default = null;
        example = lib.literalExpression "inputs.site.packages.x86_64-linux.container";
        description = "Instead of {option}`flake`, an image that is built with this system.";
      };
      app = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "site";
        description = "The app on Fly.io; by default the one that {option}`configFile` names.";
      };
      configFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = lib.literalExpression "./fly.toml";
        description = "The {file}`fly.toml` of the app.";
      };
      settings = import ./settings-option.nix { inherit lib pkgs; };
      tokenFile = mkOption {
        type = types.str;
        example = "/run/secrets/fly-token";
        description = ''
          File with a deploy token (`fly tokens create deploy`). systemd hands it to the service
          alone, so it may belong to root and be readable to nobody else.
        '';
      };
      startAt = mkOption {
        type = types.either types.str (types.listOf types.str);
        default = [ ];
        example = "hourly";
        description = "When to deploy, in the form of {manpage}`systemd.time(7)`; none: never by itself.";
      };
      persistent = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether a time of {option}`startAt` at which the host was off is made up for when it
          is on again.
        '';
      };
      randomizedDelaySec = mkOption {
        type = types.str;
        default = "0";
        example = "10min";
        description = "How much later than {option}`startAt` to begin at most, by chance.";
      };
      onSwitch = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = ''
          Whether to deploy at every start of the host and every switch of its system, which
          waits for it. Where nothing has changed, no machine is touched; a deploy that fails
          is reported as a failed unit of the switch.
        '';
      };
      onFailure = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "notify-failure@%n.service" ];
        description = "Units to start when a deploy has failed, to tell somebody.";
      };
      extraArgs = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [
          "--wait-timeout"
          "10m"
        ];
        description = "Further arguments of `snowbird deploy`.";
      };
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = lib.literalExpression ''{ SNOWBIRD_LOG = "debug"; }'';
        description = "Further environment variables. They are no place for secrets: any user can read them.";
      };
    };
  };

  streamOf = import ./stream-of.nix pkgs;
  target =
    deployment: if deployment.flake != null then deployment.flake else "${streamOf deployment.image}";

  configFile =
    deployment:
    if deployment.settings != null then
      import ./write-fly-json.nix pkgs deployment.settings
    else
      deployment.configFile;

  service =
    name: deployment:
    let
      cache = "%C/snowbird-${name}";
    in
    {
      description = "Deploy ${name} to Fly.io";
      after = [
        "network-online.target"
      ]
      ++ lib.optional (deployment.flake != null) "nix-daemon.socket";
      wants = [ "network-online.target" ];
      wantedBy = lib.optional deployment.onSwitch "multi-user.target";
      inherit (deployment) onFailure startAt;
      # A switch of the system must not interrupt a deploy.
      restartIfChanged = false;
      path = [
        config.nix.package
        pkgs.gitMinimal
      ];
      environment = {
        HOME = cache;
        XDG_CACHE_HOME = cache;
        # The GC root of what was built is a link in here. In a private /tmp the daemon would
        # not see it, and could collect the image while it is pushed.
        TMPDIR = cache;
        SNOWBIRD_TOKEN_FILE = "%d/token";
      }
      // deployment.environment;
      serviceConfig = {
        Type = "oneshot";
        ExecStart = utils.escapeSystemdExecArgs (
          [
            (lib.getExe services.package)
            "deploy"
            "--json"
            "--config"
            "${configFile deployment}"
          ]
          ++ lib.optionals (deployment.app != null) [
            "--app"
            deployment.app
          ]
          ++ deployment.extraArgs
          ++ [ (target deployment) ]
        );
        LoadCredential = "token:${deployment.tokenFile}";
        DynamicUser = true;
        CacheDirectory = "snowbird-${name}";

        # The Nix daemon builds. This service only talks to its socket, to the registry and to
        # Fly.io.
        CapabilityBoundingSet = "";
        DevicePolicy = "closed";
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        PrivateUsers = true;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
        ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        # Refused calls fail; to be killed for one would lose the leases.
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
          "~@resources"
        ];
        UMask = "0077";
      };
    };
in
{
  options.programs.snowbird = {
    enable = lib.mkEnableOption "snowbird, which deploys flakes to Fly.io";
    package = packageOption;
  };

  options.services.snowbird = {
    package = packageOption;
    deployments = mkOption {
      type = types.attrsOf deployment;
      default = { };
      description = "Deployments that this host carries out, each as a service `snowbird-NAME`.";
      example = lib.literalExpression ''
        {
          site = {
            flake = "github:example/site";
            configFile = ./fly.toml;
            tokenFile = "/run/secrets/fly-token";
            startAt = "hourly";
          };
        }
      '';
    };
  };

  config = {
    environment.systemPackages = lib.optional programs.enable programs.package;

    assertions = lib.concatLists (
      lib.mapAttrsToList (name: deployment: [
        {
          assertion = (deployment.flake == null) != (deployment.image == null);
          message = "services.snowbird.deployments.${name}: set either `flake` or `image`";
        }
        {
          assertion = (deployment.configFile == null) != (deployment.settings == null);
          message = "services.snowbird.deployments.${name}: set either `configFile` or `settings`";
        }
      ]) services.deployments
    );

    systemd.services = lib.mapAttrs' (
      name: deployment: lib.nameValuePair "snowbird-${name}" (service name deployment)
    ) services.deployments;

    # The timer itself is made by `startAt`.
    systemd.timers = lib.mapAttrs' (
      name: deployment:
      lib.nameValuePair "snowbird-${name}" {
        timerConfig = {
          Persistent = deployment.persistent;
          RandomizedDelaySec = deployment.randomizedDelaySec;
        };
      }
    ) (lib.filterAttrs (_: deployment: deployment.startAt != [ ]) services.deployments);
  };
}
