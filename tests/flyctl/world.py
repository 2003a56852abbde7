"""A sandbox, what deploys to it, and what can be seen of it afterwards."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request

APP = "web"
TOKEN = "sandbox"
# As long as a deploy may take, in seconds.
PATIENCE = 300


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Sandbox:
    """`snowbird sandbox`, for as long as a `with` block lasts."""

    def __init__(self, snowbird, work, *flags):
        self.command = [snowbird, "sandbox", "--json", "--app", APP, *flags]
        self.snowbird, self.work = snowbird, work

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        told = json.loads(self.process.stdout.readline())
        self.url, self.registry = told["url"], told["registry"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def ask(self, method, path, body=None):
        """Send a request to the platform; returns what its answer holds."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refusal:
            raise RuntimeError(f"{method} {path}: {refusal.code} {refusal.read().decode()}") from None
        return json.loads(text) if text else None

    def machines(self, deleted=False):
        query = "?include_deleted=true" if deleted else ""
        return self.ask("GET", f"/v1/apps/{APP}/machines{query}")

    def volumes(self):
        return self.ask("GET", f"/v1/apps/{APP}/volumes")

    def ips(self):
        return self.ask("GET", f"/v1/apps/{APP}/ip_assignments")["ips"]

    def releases(self):
        """Return the releases, newest first."""
        return self.ask("GET", f"/api/v1/apps/{APP}/releases?limit=100")["releases"]

    def create(self, config, region="fra", state="started"):
        """Make a machine, and wait until it is in `state`."""
        body = {"config": config, "region": region, "skip_launch": state == "stopped"}
        machine = self.ask("POST", f"/v1/apps/{APP}/machines", body)
        self.ask("GET", f"/v1/apps/{APP}/machines/{machine['id']}/wait?state={state}&timeout=60")
        return machine

    def push(self, tag):
        """Push a small image under `tag`; returns its reference."""
        archive = os.path.join(self.work, f"{tag}.tar")
        with open(archive, "wb") as file:
            file.write(docker_archive(tag))
        reference = f"{self.registry}/{APP}:{tag}"
        subprocess.run(
            [self.snowbird, "push", archive, "--to", reference, "-q"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **self.login(), "HOME": self.work},
        )
        return reference

    def login(self):
        """Give snowbird and others the registry's login, by a file that docker would write."""
        folder = os.path.join(self.work, "docker")
        os.makedirs(folder, exist_ok=True)
        # base64 of `x:sandbox`.
        logins = {"auths": {self.registry: {"auth": "eDpzYW5kYm94"}}}
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(logins, file)
        return {"DOCKER_CONFIG": folder}


def docker_archive(mark):
    """Return an archive of an image that holds one file, which says `mark`."""

    def tar(files):
        bytes_ = io.BytesIO()
        with tarfile.open(fileobj=bytes_, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in files:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return bytes_.getvalue()

    layer = tar([("mark", mark.encode())])
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/mark"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [f"{APP}:{mark}"], "Layers": ["layer.tar"]}]
    members = [("layer.tar", layer), (name, config), ("manifest.json", json.dumps(manifest).encode())]
    return tar(members)


class Deployer:
    """flyctl or snowbird: `flyctl:PATH` or `snowbird:PATH`."""

    def __init__(self, word):
        self.kind, self.path = word.split(":", 1)
        if self.kind not in ("flyctl", "snowbird"):
            raise SystemExit(f"{word} is neither flyctl:PATH nor snowbird:PATH")

    def deploy(self, sandbox, folder, config, image, *flags, smoke=True):
        """Deploy `image` with the configuration file `config` of `folder`.

        Returns the exit code and all that was written.
        """
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": sandbox.work,
            "NO_COLOR": "1",
            "CI": "1",
            "FLY_API_BASE_URL": sandbox.url,
            "FLY_UIEX_BASE_URL": sandbox.url,
            "FLY_FLAPS_BASE_URL": sandbox.url,
            "FLY_REGISTRY_HOST": sandbox.registry,
            "FLY_API_TOKEN": TOKEN,
        }
        command = [self.path, "deploy", "--image", image, "--app", APP, "--config", config]
        if self.kind == "flyctl":
            environment |= {
                "FLY_CONFIG_DIR": os.path.join(sandbox.work, "fly"),
                "FLY_SEND_METRICS": "0",
                "FLY_NO_UPDATE_CHECK": "1",
                "FLY_NO_INCIDENTS_CHECK": "1",
                "FLY_TRACE_COLLECTOR_URL": "127.0.0.1",
                # No local docker.
                "DOCKER_HOST": "unix:///nowhere/docker.sock",
            }
            os.makedirs(environment["FLY_CONFIG_DIR"], exist_ok=True)
            command += ["--remote-only", "--dns-checks=false", "--yes"]
            command += [] if smoke else ["--smoke-checks=false"]
        else:
            environment |= sandbox.login()
            command += ["--progress", "plain"]
        done = subprocess.run(
            [*command, *flags],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield path
