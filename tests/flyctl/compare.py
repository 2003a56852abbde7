"""Compare what two deploys have made: compare.py LEFT.json RIGHT.json

Each file holds what `seen` gives of a sandbox. Which client deployed, when, and under which
IDs does not count, nor does the order of headers, which flyctl leaves to chance.
"""

import difflib
import json
import sys

# Metadata that tells of a deploy and not of what was deployed.
ASIDE = {
    "fly_flyctl_version",
    "fly_release_id",
    "fly_release_version",
    "fly_builder_id",
    "fly_bluegreen_deployment_tag",
    "fly_flyctl_bluegreen_launch_id",
    "snowbird_launch_id",
}


def seen(sandbox):
    """Return all that is compared of a sandbox."""
    return {"machines": sandbox.machines(), "volumes": sandbox.volumes(), "ips": sandbox.ips()}


def renamed(value, names):
    """Replace IDs by names that are alike in both worlds."""
    if isinstance(value, dict):
        return {key: renamed(member, names) for key, member in value.items()}
    if isinstance(value, list):
        return [renamed(member, names) for member in value]
    return names.get(value, value) if isinstance(value, str) else value


def in_order(config):
    """Put in order what has none."""
    checks = list((config.get("checks") or {}).values())
    for service in config.get("services") or []:
        checks += service.get("checks") or []
    for check in checks:
        if check.get("headers"):
            check["headers"].sort(key=lambda header: header["name"])
    return config


def without_nothing(value):
    """Leave out what is null or empty: absent and empty are the same to the platform."""
    if isinstance(value, dict):
        members = {key: without_nothing(member) for key, member in value.items()}
        return {key: member for key, member in members.items() if member not in (None, [], {}, "")}
    if isinstance(value, list):
        return [without_nothing(member) for member in value]
    return value


def plain(world):
    """Return a world as text, from which all that does not count is gone."""
    names = {volume["id"]: f"<volume {volume['name']}>" for volume in world["volumes"]}
    for machine in world["machines"]:
        metadata = machine["config"].get("metadata") or {}
        names[machine["id"]] = f"<machine of {metadata.get('fly_process_group')}>"
    machines = []
    for machine in world["machines"]:
        config = in_order(renamed(machine["config"], names))
        metadata = config.get("metadata") or {}
        config["metadata"] = {key: metadata[key] for key in metadata if key not in ASIDE}
        # Both name the same image, one by tag and one by digest.
        config["image"] = machine["image_ref"].get("digest") or config["image"]
        machines.append({
            "region": machine["region"],
            "state": machine["state"],
            "cordoned": machine.get("cordoned", False),
            "config": without_nothing(config),
        })
    machines.sort(key=lambda machine: json.dumps(machine, sort_keys=True))
    volumes = sorted(
        [volume["name"], volume["region"], volume["size_gb"], bool(volume["attached_machine_id"])]
        for volume in world["volumes"]
    )
    ips = sorted([ip["shared"], ":" in ip["ip"], ip["ip"].startswith("fdaa:")] for ip in world["ips"])
    world = {"machines": machines, "volumes": volumes, "ips": ips}
    return json.dumps(world, indent=2, sort_keys=True)


def differences(left, right, left_name, right_name):
    """Return the lines in which two worlds differ."""
    left, right = plain(left).splitlines(), plain(right).splitlines()
    return list(difflib.unified_diff(left, right, left_name, right_name, lineterm=""))


if __name__ == "__main__":
    worlds = []
    for path in sys.argv[1:3]:
        with open(path) as file:
            worlds.append(json.load(file))
    lines = differences(*worlds, *sys.argv[1:3])
    print("\n".join(lines) if lines else "alike")
    sys.exit(1 if lines else 0)
