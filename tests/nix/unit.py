"""The units that NixOS would make of evaluated services.

unit.py write SERVICES.json NAME       prints the unit of a service
unit.py run SERVICES.json NAME FOLDER  runs its program as systemd would, but as this user: with
                                       the service's environment, its cache and its credentials
                                       in FOLDER, and NIX_CONFIG for /etc/nix/nix.conf
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys


def write(service):
    def lines(key, value):
        for item in value if isinstance(value, list) else [value]:
            yield f"{key}={str(item).lower() if isinstance(item, bool) else item}"

    yield "[Unit]"
    yield from lines("Description", service["description"])
    for key, name in (("After", "after"), ("Wants", "wants"), ("OnFailure", "onFailure")):
        if service[name]:
            yield f"{key}={' '.join(service[name])}"
    yield "[Service]"
    for key, value in environment(service).items():
        yield f'Environment="{key}={value}"'
    for key, value in service["serviceConfig"].items():
        yield from lines(key, value)


def environment(service):
    programs = [f"{package}/bin" for package in service["path"]]
    # NixOS gives every service coreutils and the like.
    programs += ["/usr/local/bin", "/usr/bin", "/bin"]
    return {**service["environment"], "PATH": ":".join(programs)}


def run(service, folder):
    settings = service["serviceConfig"]
    specifiers = {"%C": folder / "cache", "%d": folder / "credentials"}
    (folder / "cache" / settings["CacheDirectory"]).mkdir(parents=True, exist_ok=True)
    (folder / "credentials").mkdir(exist_ok=True)
    name, source = settings["LoadCredential"].split(":", 1)
    credential = folder / "credentials" / name
    credential.touch(mode=0o600)
    credential.write_bytes(pathlib.Path(source).read_bytes())

    def filled(text):
        for specifier, path in specifiers.items():
            text = text.replace(specifier, str(path))
        return text

    arguments = [
        argument.replace("%%", "%").replace("$$", "$") for argument in shlex.split(settings["ExecStart"])
    ]
    variables = {key: filled(value) for key, value in environment(service).items()}
    variables["NIX_CONFIG"] = os.environ["NIX_CONFIG"]
    return subprocess.run(arguments, env=variables, cwd="/", check=False).returncode


command, services, name, *rest = sys.argv[1:]
service = json.loads(pathlib.Path(services).read_text())[name]
if command == "write":
    print("\n".join(write(service)))
else:
    sys.exit(run(service, pathlib.Path(rest[0])))
