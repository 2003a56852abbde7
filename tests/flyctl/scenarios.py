"""Deploy in all six ways: scenarios.py flyctl:PATH|snowbird:PATH SNOWBIRD [NAME]...

SNOWBIRD runs the sandboxes. Exits with 1 if anything is not as it must be.
"""

import os
import sys
import traceback

from world import Deployer, Sandbox, folder, say

SERVED = """
app = "web"
primary_region = "fra"

[env]
COLOR = "blue"
{env}

[http_service]
internal_port = 8080
force_https = true

[[http_service.checks]]
interval = "10s"
timeout = "2s"
grace_period = "1s"
path = "/"

[deploy]
strategy = "{strategy}"
{deploy}
"""


def toml(strategy="rolling", deploy="", env=""):
    return SERVED.format(strategy=strategy, deploy=deploy, env=env)


class Scenario:
    """An app in a sandbox of its own, and a deployer."""

    def __init__(self, deployer, snowbird, work):
        self.deployer, self.work = deployer, work
        self.sandbox = Sandbox(snowbird, work)

    def deploy(self, image, text, *flags, fails=False):
        with open(os.path.join(self.work, "fly.toml"), "w") as file:
            file.write(text)
        code, output = self.deployer.deploy(
            self.sandbox, self.work, "fly.toml", image, *flags, smoke=False
        )
        if (code != 0) != fails:
            raise AssertionError(f"exit code {code}\n{output}")
        return output

    def begin(self, machines=2):
        """Deploy v1 for the first time and bring the app to that many machines."""
        first = self.sandbox.push("v1")
        self.deploy(first, toml())
        known = self.sandbox.machines()
        for _ in range(machines - len(known)):
            self.sandbox.create(known[0]["config"])
        return self.sandbox.push("v2")

    def images(self):
        machines = self.sandbox.machines()
        return sorted(machine["image_ref"]["tag"] for machine in machines)


def check(fact, words):
    if not fact:
        raise AssertionError(words)


def first(world):
    """A fresh app gets addresses and two machines."""
    world.deploy(world.sandbox.push("v1"), toml())
    machines, ips = world.sandbox.machines(), world.sandbox.ips()
    check(len(machines) == 2, f"{len(machines)} machines for high availability")
    check([ip["shared"] for ip in ips] == [False, True], f"v6 and shared v4: {ips}")
    check(world.sandbox.releases()[0]["status"] == "complete", "the release is complete")


def first_with_a_volume(world):
    """A group with a mount gets one machine and one volume."""
    mounts = '\n[mounts]\nsource = "data"\ndestination = "/data"\n'
    world.deploy(world.sandbox.push("v1"), toml() + mounts)
    machines, volumes = world.sandbox.machines(), world.sandbox.volumes()
    check(len(machines) == 1 and len(volumes) == 1, f"{len(machines)}, {len(volumes)}")
    check(volumes[0]["attached_machine_id"] == machines[0]["id"], "it has the volume")


def in_place(strategy):
    def scenario(world):
        second = world.begin(3)
        before = {machine["id"] for machine in world.sandbox.machines()}
        world.deploy(second, toml(strategy))
        after = {machine["id"] for machine in world.sandbox.machines()}
        check(after == before, "the machines are the same")
        check(world.images() == ["v2"] * 3, f"all have the new image: {world.images()}")
        strategies = [release["strategy"] for release in world.sandbox.releases()]
        check(strategies[0] == strategy.upper(), f"{strategies}")

    scenario.__doc__ = f"{strategy.capitalize()}: machines are updated in place."
    return scenario


def bluegreen(world):
    """Bluegreen: all machines are new."""
    second = world.begin(2)
    before = {machine["id"] for machine in world.sandbox.machines()}
    world.deploy(second, toml("bluegreen"))
    machines = world.sandbox.machines()
    check(not before & {machine["id"] for machine in machines}, "no blue is left")
    check(world.images() == ["v2"] * len(before), f"{world.images()}")
    check(not any(machine["cordoned"] for machine in machines), "greens get traffic")


def release_machines(world):
    group = "fly_app_release_command"
    machines = world.sandbox.machines(deleted=True)
    return [m for m in machines if m["config"]["metadata"].get("fly_process_group") == group]


def release_command(world):
    """A release command runs before anything is changed, and its machine is destroyed."""
    second = world.begin(2)
    world.deploy(second, toml(deploy='release_command = "bin/migrate now"'))
    (machine,) = release_machines(world)
    check(machine["state"] == "destroyed", machine["state"])
    check(machine["config"]["init"]["cmd"] == ["bin/migrate", "now"], "the command is split")
    check(world.images() == ["v2"] * 2, f"{world.images()}")


def failing_release_command(world):
    """A release command that fails ends the deploy, and nothing is changed."""
    second = world.begin(2)
    text = toml(deploy='release_command = "bin/migrate"', env='SNOWBIRD_SANDBOX_RELEASE = "exit:3"')
    output = world.deploy(second, text, fails=True)
    check("code 3" in output or "status of 3" in output, f"the exit code is told\n{output}")
    check(world.images() == ["v1"] * 2, f"{world.images()}")
    check(world.sandbox.releases()[0]["status"] == "failed", "the release has failed")


SCENARIOS = {
    "first": first,
    "first-with-a-volume": first_with_a_volume,
    "rolling": in_place("rolling"),
    "immediate": in_place("immediate"),
    "canary": in_place("canary"),
    "bluegreen": bluegreen,
    "release-command": release_command,
    "failing-release-command": failing_release_command,
}


def main():
    deployer, snowbird = Deployer(sys.argv[1]), sys.argv[2]
    failed = []
    for name in sys.argv[3:] or SCENARIOS:
        with folder() as work:
            world = Scenario(deployer, snowbird, work)
            try:
                with world.sandbox:
                    SCENARIOS[name](world)
                say(f"{deployer.kind} {name}: ok")
            except Exception:  # Whatever it is, the others are tried too.
                say(f"{deployer.kind} {name}: FAILED\n{traceback.format_exc()}")
                failed.append(name)
    if failed:
        say(f"scenarios.py: {len(failed)} failed: {', '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
