"""Measure a rolling deploy beside flyctl: rollout.py SNOWBIRD MACHINES [FLYCTL].

Both deploy to a sandbox of their own, with as many machines that serve and have a check. Without
a FLYCTL its place is taken by a client that sends what flyctl sends and waits as it waits: leases
refreshed every four seconds, one machine of the group alone, then a third of them at once; each is
updated, waited for by state with pauses of 0.5 to 2 s, watched until it has been up for ten
seconds, and then for its checks every 1 to 2 s.
"""

import concurrent.futures
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

SNOWBIRD, MACHINES = os.path.abspath(sys.argv[1]), int(sys.argv[2])
FLYCTL = sys.argv[3] if len(sys.argv) > 3 else None
ONE, TWO = (f"ghcr.io/acme/web@sha256:{digit * 64}" for digit in "12")
CONFIG = """app = "web"
primary_region = "fra"
[http_service]
internal_port = 8080
[[http_service.checks]]
interval = "2s"
timeout = "2s"
path = "/"
[env]
SNOWBIRD_SANDBOX = "%s"
"""


class Fly:
    """A sandbox, and requests to it."""

    def __init__(self, *options):
        command = [SNOWBIRD, "sandbox", "--app", "web", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def __call__(self, method, path, body=None, nonce=None):
        headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
        if nonce:
            headers["fly-machine-lease-nonce"] = nonce
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=90) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def machines(self):
        return self("GET", "/v1/apps/web/machines")

    def fill(self, folder):
        """Give the app its machines, all of them healthy."""
        snowbird(self, folder, ONE, "slow:0").check_returncode()
        found = self.machines()
        config = found[0]["config"]
        for _ in range(MACHINES - len(found)):
            self("POST", "/v1/apps/web/machines", {"config": config, "region": "fra"})
        while any(m["state"] != "started" or not well(m) for m in self.machines()):
            time.sleep(0.2)


def well(machine):
    checks = machine.get("checks") or []
    return bool(checks) and all(check["status"] == "passing" for check in checks)


def write(folder, fate):
    path = f"{folder}/fly.toml"
    with open(path, "w") as file:
        file.write(CONFIG % fate)
    return path


def snowbird(fly, folder, image, fate):
    command = [SNOWBIRD, "deploy", f"--sandbox={fly.url}", "--config", write(folder, fate), "--image", image, "--json"]
    return subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def flyctl(fly, folder):
    env = {
        **os.environ,
        **{f"FLY_{name}_BASE_URL": fly.url for name in ("API", "FLAPS", "UIEX")},
        "FLY_API_TOKEN": "sandbox", "FLY_CONFIG_DIR": folder, "FLY_SEND_METRICS": "0",
        "FLY_NO_UPDATE_CHECK": "1", "FLY_NO_INCIDENTS_CHECK": "1", "FLY_TRACE_COLLECTOR_URL": "127.0.0.1",
    }
    command = [FLYCTL, "deploy", "--image", TWO, "--config", write(folder, "slow:0"), "--remote-only", "--yes", "--dns-checks=false"]
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stand_in(fly):
    """What flyctl sends for a rolling deploy, from the list of machines on."""
    found = fly.machines()
    path = {machine["id"]: f"/v1/apps/web/machines/{machine['id']}" for machine in found}
    release = fly("POST", "/api/v1/releases", {"app_name": "web", "build_id": 0, "definition": {}, "image": TWO, "strategy": "ROLLING"})["release"]
    fly("PATCH", f"/api/v1/releases/{release['id']}", {"status": "running", "metadata": None})
    nonces, over = {}, threading.Event()

    def lease(machine):
        nonces[machine] = fly("POST", f"{path[machine]}/lease?ttl=13", nonce=nonces.get(machine))["data"]["nonce"]

    with concurrent.futures.ThreadPoolExecutor(len(found) + 1) as threads:
        list(threads.map(lease, path))

        def refresh():
            while not over.wait(4):
                for machine in path:
                    lease(machine)

        threads.submit(refresh)

        def update(machine):
            config = {**machine["config"], "image": TWO}
            fly("POST", path[machine["id"]], {"config": config, "region": machine["region"], "skip_secrets": False}, nonces[machine["id"]])
            pause = 0.5
            while True:
                try:
                    fly("GET", f"{path[machine['id']]}/wait?state=started&timeout=60")
                    break
                except urllib.error.HTTPError:
                    time.sleep(pause)
                    pause = min(pause * 2, 2)
            begun, pause = time.monotonic(), 0.5
            while time.monotonic() < begun + 10:
                seen = fly("GET", path[machine["id"]])
                start = next(event for event in seen["events"] if event["type"] == "start")
                if time.time() * 1000 - start["timestamp"] > 10_000:
                    break
                time.sleep(pause)
                pause = min(pause * 2, 2)
            while not well(fly("GET", path[machine["id"]])):
                time.sleep(random.uniform(1, 2))

        update(found[0])
        with concurrent.futures.ThreadPoolExecutor(math.ceil(len(found) * 0.33)) as pool:
            list(pool.map(update, found[1:]))
        over.set()
    for machine in path:
        fly("DELETE", f"{path[machine]}/lease", nonce=nonces[machine])
    fly("PATCH", f"/api/v1/releases/{release['id']}", {"status": "complete", "metadata": None})


def timed(name, work):
    with Fly() as fly, tempfile.TemporaryDirectory() as folder:
        fly.fill(folder)
        begun = time.monotonic()
        work(fly, folder)
        took = time.monotonic() - begun
        assert all(machine["config"]["image"] == TWO for machine in fly.machines()), name
    return took


def deploy(fly, folder):
    done = snowbird(fly, folder, TWO, "slow:0")
    assert done.returncode == 0, done.stderr


def crash():
    """Seconds from the exit of a machine to the line that tells it, and to the end of the deploy."""
    with Fly() as fly, tempfile.TemporaryDirectory() as folder:
        fly.fill(folder)
        command = [SNOWBIRD, "deploy", f"--sandbox={fly.url}", "--config", write(folder, "crash:3"), "--image", TWO, "--json"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        told = None
        for line in process.stderr:
            event = json.loads(line)
            if event.get("step") == "exited" and told is None:
                told = time.time()
                exits = [e["timestamp"] / 1000 for m in fly.machines() for e in m["events"] if e["type"] == "exit" and e["request"]["exit_event"]["exit_code"] == 3]
                first = min(exits)
        code = process.wait()
        assert code == 14 and told, code
        assert all(machine["config"]["image"] == ONE for machine in fly.machines())
        return told - first, time.time() - first


peer = "flyctl" if FLYCTL else "flyctl's requests"
ours = timed("snowbird", deploy)
theirs = timed(peer, flyctl if FLYCTL else lambda fly, _: stand_in(fly))
told, ended = crash()
print(f"| rolling deploy of {MACHINES} machines | wall s | ratio |\n|---|---|---|")
print(f"| snowbird | {ours:.1f} | {ours / theirs:.2f} |\n| {peer} | {theirs:.1f} | |\n")
print(f"A crash was told {told:.1f} s after the exit event; {ended:.1f} s after it all machines ran what they ran before.")
