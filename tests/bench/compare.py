"""Measure snowbird beside skopeo: compare.py FOLDER MIB RUNS [alone] (called by run.sh)."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

WORK, MIB, RUNS = os.path.abspath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ALONE = sys.argv[4:] == ["alone"]
TOOLS = os.path.abspath(os.environ["TOOLS"])
SNOWBIRD = f"{TOOLS}/snowbird"
LAYERS = {40: 12, 400: 60}.get(MIB, 100)
PORT = 5400
STREAMER = os.path.abspath("tests/fixtures/image/stream.py")
SKOPEO_CACHE = "/var/lib/containers/cache"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def run(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout.strip()


def add(path, name):
    """Copy a file or folder into the Nix store."""
    target = f"{WORK}/{name}"
    if path != target:
        os.rename(path, target)
    return run("nix-store", "--add", target)


def image(variant):
    """Make one image in all its forms; returns the path of each."""
    trees = f"{WORK}/trees"
    run(f"{TOOLS}/examples/make-tree", str(MIB), str(LAYERS), trees, *([variant] if variant else []))
    paths = []
    for name in sorted(os.listdir(trees)):
        paths.append(run("nix-store", "--add", f"{trees}/{name}"))
    shutil.rmtree(trees)
    custom = f"{WORK}/customisation-layer"
    os.makedirs(f"{WORK}/root/bin", exist_ok=True)
    os.makedirs(custom)
    run("tar", "--sort=name", "--owner=0", "--group=0", "--mtime=@1", "-C", f"{WORK}/root", "-cf", f"{custom}/layer.tar", ".")
    open(f"{custom}/checksum", "w").write(run("sha256sum", f"{custom}/layer.tar").split()[0])
    plan = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": [f"{paths[0]}/bin/file-1"]},
        "store_dir": "/nix/store",
        "from_image": None,
        "store_layers": [[path] for path in paths],
        "customisation_layer": add(custom, "customisation-layer"),
        "repo_tag": "bench:1",
        "created": "1970-01-01T00:00:01+00:00",
        "mtime": "1970-01-01T00:00:01+00:00",
        "uid": "0",
        "gid": "0",
        "uname": "root",
        "gname": "root",
    }
    shutil.rmtree(custom, ignore_errors=True)
    name = "bench" + (variant or "")
    conf = f"{WORK}/{name}-conf.json"
    json.dump(plan, open(conf, "w"))
    conf = add(conf, f"{name}-conf.json")
    forms = {"plan": conf}
    tar = f"{WORK}/{name}.tar"
    start = time.time()
    with open(tar, "wb") as out:
        subprocess.run(["python3", STREAMER, conf], check=True, stdout=out, stderr=subprocess.DEVNULL)
    forms["script seconds"] = time.time() - start
    for form, command in [("tar.gz", ["gzip", "-n", "-k"]), ("tar.zst", ["zstd", "-q", "-k"])]:
        run(*command, tar)
    forms["tar"] = add(tar, f"{name}.tar")
    forms["tar.gz"] = add(f"{tar}.gz", f"{name}.tar.gz")
    forms["tar.zst"] = add(f"{tar}.zst" if os.path.exists(f"{tar}.zst") else tar, f"{name}.tar.zst")
    # A script that names no plan, as other builders write them.
    script = f"{WORK}/stream-{name}"
    open(script, "w").write(f"#!/bin/sh\nexec cat {forms['tar']}\n")
    os.chmod(script, 0o755)
    forms["stream"] = script
    return forms


class Registry:
    """A registry without content: Debian's, or one that costs nothing."""

    def __init__(self, kind):
        global PORT
        PORT += 1
        self.kind, self.address = kind, f"127.0.0.1:{PORT}"
        self.folder = f"{WORK}/registry-{PORT}"
        os.makedirs(self.folder)
        if kind == "null":
            command = [f"{TOOLS}/examples/null-registry", str(PORT)]
        else:
            config = f"{self.folder}/config.yml"
            open(config, "w").write(
                f"version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {self.folder}/data }} }}\n"
                f"http: {{ addr: '{self.address}', secret: bench }}\n"
            )
            command = ["docker-registry", "serve", config]
        log = open(f"{self.folder}/log", "w")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/v2/").read()
                return
            except OSError:
                time.sleep(0.05)

    def counts(self):
        """Requests so far, and bytes stored or taken."""
        if self.kind == "null":
            text = urllib.request.urlopen(f"http://{self.address}/counts").read().decode()
            return [int(word) for word in text.split()]
        time.sleep(0.1)
        requests = sum('HTTP/1.1"' in line for line in open(f"{self.folder}/log"))
        stored = sum(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(f"{self.folder}/data/docker/registry/v2/blobs")
            for name in names
        )
        return [requests, stored]

    def has(self, tag):
        types = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        ask = urllib.request.Request(f"http://{self.address}/v2/bench/manifests/{tag}", headers={"Accept": types})
        return urllib.request.urlopen(ask).status == 200

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def size(folder):
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(place, name))
            except OSError:
                pass
    return total


def measure(commands, registry):
    """Run commands one after another: wall, CPU, peak memory, temporary bytes, requests, bytes."""
    tmp = f"{WORK}/tmp"
    os.makedirs(tmp)
    environment = dict(os.environ, TMPDIR=tmp, XDG_CACHE_HOME=f"{WORK}/cache", HOME=f"{WORK}/home")
    requests, stored = registry.counts()
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.1):
            peak[0] = max(peak[0], size(tmp))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, cpu, memory = time.monotonic(), 0, 0
    for command in commands:
        log = open(f"{WORK}/client.log", "w")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, shell=isinstance(command, str))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            sys.exit(f"{command} failed:\n" + open(f"{WORK}/client.log").read())
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss / 1024)
    wall = time.monotonic() - start
    done.set()
    watcher.join()
    shutil.rmtree(tmp)
    if not registry.has("v1"):
        sys.exit(f"{commands} stored no manifest")
    now = registry.counts()
    # What `counts` itself asked is not the client's.
    return [wall, cpu, memory, peak[0] / 1e6, now[0] - requests - 1, (now[1] - stored) / 1e6]


def push(tool, forms, form, registry, flags):
    to = f"{registry.address}/bench:v1"
    if tool == "snowbird":
        return [[SNOWBIRD, "push", forms[form], "--to", to, "--quiet", *flags]]
    copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
    tar = f"{WORK}/tmp/unpacked.tar"
    before = {
        # This skopeo cannot read gzip archives, nor pipes.
        "tar.gz": f"gzip -dc {forms['tar.gz']} > {tar}",
        "stream": f"{forms['stream']} > {tar}",
        "plan": f"python3 {STREAMER} {forms['plan']} > {tar} 2>/dev/null",
    }.get(form)
    source = tar if before else forms[form]
    return ([before] if before else []) + [[*copy, f"docker-archive:{source}", f"docker://{to}"]]


def forget():
    for place in [f"{WORK}/cache", f"{WORK}/home", SKOPEO_CACHE]:
        shutil.rmtree(place, ignore_errors=True)


def case(tool, kind, form, before, now, cache, flags):
    """One measured push; `before` is pushed first."""
    forget()
    registry = Registry(kind)
    if before:
        measure(push(tool, before, form, registry, flags), registry)
    if not cache:
        forget()
    result = measure(push(tool, now, form, registry, flags), registry)
    registry.stop()
    return result


def main():
    say(f"making images of {MIB} MiB in {LAYERS} layers")
    one = image("")
    other = None if ALONE else image("changed")
    forms = ["tar", "tar.gz", "tar.zst", "stream", "plan"]
    cases = [("first push", kind, form, None, one, False, []) for kind in ("docker-registry", "null") for form in forms]
    cases += [("first push, gzip layers", "docker-registry", form, None, one, False, ["--compression", "gzip"]) for form in ("tar", "plan")]
    for cache in () if ALONE else (False, True):
        end = ", with cache" if cache else ", fresh machine"
        cases += [("nothing changed" + end, "docker-registry", form, one, one, cache, []) for form in ("tar", "tar.gz", "plan")]
        cases += [("one layer changed" + end, "docker-registry", form, one, other, cache, []) for form in ("tar", "tar.gz", "plan")]
    print(f"| {MIB} MiB, {LAYERS} layers, medians of {RUNS} | from | tool | wall s | CPU s | memory MB | temporary MB | requests | sent MB | wall ratio | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, kind, form, before, now, cache, flags in cases:
        medians = {}
        runs = {"snowbird": []} if ALONE else {"snowbird": [], "skopeo": []}
        for _ in range(RUNS):
            for tool in runs:
                runs[tool].append(case(tool, kind, form, before, now, cache, flags if tool == "snowbird" else []))
        for tool, results in runs.items():
            medians[tool] = [statistics.median(column) for column in zip(*results)]
        label = name + (" (null registry)" if kind == "null" else "")
        for tool, (wall, cpu, memory, temporary, requests, sent) in medians.items():
            ratios = " | "
            if tool == "snowbird" and not ALONE:
                ratios = f"{wall / medians['skopeo'][0]:.2f} | {cpu / medians['skopeo'][1]:.2f}"
            print(f"| {label} | {form} | {tool} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | {temporary:.0f} | {requests:.0f} | {sent:.1f} | {ratios} |", flush=True)


def quit(*_):
    sys.exit(130)


signal.signal(signal.SIGTERM, quit)
kept = f"{SKOPEO_CACHE}.kept-by-bench"
try:
    if os.path.exists(SKOPEO_CACHE):
        os.rename(SKOPEO_CACHE, kept)
    main()
finally:
    forget()
    if os.path.exists(kept):
        os.rename(kept, SKOPEO_CACHE)
