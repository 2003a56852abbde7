"""Deploy each case by two deployers and compare: differential.py LEFT RIGHT SNOWBIRD CASES

LEFT and RIGHT are flyctl:PATH or snowbird:PATH; SNOWBIRD runs the sandboxes; CASES is a folder
with a folder for each case, which has fly.toml, fly.json or fly.yaml. Where a case has
existing.json, the machines that it describes are there before the deploy: a config, a request
that has one, or a list of either. Exits with 1 if two worlds differ.
"""

import json
import os
import shutil
import sys
import traceback

from compare import differences, seen
from world import Deployer, Sandbox, folder, say

CONFIGS = ["fly.toml", "fly.json", "fly.yaml", "fly.yml"]


def existing(sandbox, case, image):
    """Make the machines that a case has from the start."""
    path = os.path.join(case, "existing.json")
    if not os.path.exists(path):
        return
    with open(path) as file:
        described = json.load(file)
    for machine in described if isinstance(described, list) else [described]:
        config = machine.get("config", machine)
        config["image"] = image
        metadata = config.setdefault("metadata", {})
        metadata.setdefault("fly_platform_version", "v2")
        metadata.setdefault("fly_process_group", "app")
        region = machine.get("region", "fra")
        for mount in config.get("mounts") or []:
            volume = {"name": mount.get("name") or "data", "region": region, "size_gb": 1}
            made = sandbox.ask("POST", "/v1/apps/web/volumes", volume)
            mount["volume"], mount["name"] = made["id"], made["name"]
        sandbox.create(config, region, machine.get("state", "started"))


def outcome(deployer, snowbird, case):
    """Deploy a case to a sandbox of its own; returns what is there then, or nothing if the
    deployer refused, and what it wrote."""
    with folder() as work, Sandbox(snowbird, work) as sandbox:
        place = os.path.join(work, "case")
        shutil.copytree(case, place)
        existing(sandbox, case, sandbox.push("v1"))
        config = next(name for name in CONFIGS if os.path.exists(os.path.join(place, name)))
        image = sandbox.push("v2")
        code, output = deployer.deploy(sandbox, place, config, image, smoke=False)
        return (seen(sandbox) if code == 0 else None), output


def compare(left, right, snowbird, case):
    """Return how a case comes out: a word, and what is wrong if anything is."""
    (left_world, left_said), (right_world, right_said) = (
        outcome(deployer, snowbird, case) for deployer in (left, right)
    )
    if left_world is None and right_world is None:
        return "refused by both", None
    if left_world is None or right_world is None:
        who, said = (left, left_said) if left_world is None else (right, right_said)
        return "DIFFERENT", f"{who.kind} refuses what the other deploys:\n{said}"
    lines = differences(left_world, right_world, left.kind, right.kind)
    return ("DIFFERENT", "\n".join(lines)) if lines else ("alike", None)


def main():
    left, right = Deployer(sys.argv[1]), Deployer(sys.argv[2])
    snowbird, cases = sys.argv[3], sys.argv[4]
    found = sorted(os.listdir(cases)) if os.path.isdir(cases) else []
    names = [name for name in found if os.path.isdir(os.path.join(cases, name))]
    if not names:
        raise SystemExit(f"differential.py: {cases} has no cases")
    failed = 0
    for name in names:
        try:
            word, wrong = compare(left, right, snowbird, os.path.join(cases, name))
        except Exception:  # Whatever it is, the others are tried too.
            word, wrong = "FAILED", traceback.format_exc()
        say(f"{name}: {word}")
        if wrong is not None:
            failed += 1
            say(wrong)
    say(f"differential.py: {len(names) - failed} of {len(names)} cases alike")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
