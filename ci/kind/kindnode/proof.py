"""Proves a node image: a cluster of it comes up, does what clusters do, and leaves nothing behind."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from . import Failed, archive, cache, go, pins
from .archive import Image, Tree
from .terminal import Step, say

FOLDER = Path(__file__).parent.parent
NAME = "catnap-proof"
PROBE = "catnap/probe:1"
# The network that kind makes and keeps for the next cluster.
NETWORK = "kind"
CLUSTER = """kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
"""
PATIENCE = "120s"
LAST_WORDS = "{.items[*].status.containerStatuses[*].state.terminated.message}"


def prove(kind: Path, image: str, jobs: int, keep: bool) -> None:
    kubectl = go.programs(pins.KUBERNETES, jobs)["kubectl"]
    before = _held()
    if any(name.startswith(f"{NAME}-") for name in before["containers"]):
        raise Failed(f"a cluster {NAME} is there already: remove it with `{kind} delete cluster --name {NAME}`")
    with tempfile.TemporaryDirectory(prefix="kind-proof-") as scratch:
        cluster = _Cluster(Path(scratch), kind, kubectl)
        try:
            with Step("creating a cluster of a control plane and a worker"):
                (Path(scratch) / "cluster.yaml").write_text(CLUSTER)
                cluster.kind("create", "cluster", "--image", image, "--config", f"{scratch}/cluster.yaml")
            with Step("waiting until both nodes are Ready"):
                cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={PATIENCE}")
            with Step("loading an image from scratch"):
                _load_probe(Path(scratch))
                cluster.kind("load", "docker-image", PROBE)
            with Step("waiting for a Deployment, an answer by the name of a Service, and a volume"):
                cluster.kubectl("apply", "--filename", FOLDER / "proof.yaml")
                cluster.kubectl("rollout", "status", "deployment/web", f"--timeout={PATIENCE}")
                cluster.kubectl("wait", "--for=condition=Complete", "job", "--all", f"--timeout={PATIENCE}")
            for job in ("ask", "keep"):
                words = ("get", "pods", f"--selector=job-name={job}", f"--output=jsonpath={LAST_WORDS}")
                say(f"{job} said: {cluster.kubectl(*words).strip()}")
        finally:
            if keep:
                say(f"kept: `{kind} delete cluster --name {NAME}` removes it")
            else:
                with Step("deleting the cluster"):
                    cluster.kind("delete", "cluster")
                    _tidy(before)
    if not keep and (left := leftovers(before, _held())):
        raise Failed(f"the cluster left behind: {', '.join(left)}; remove them with `docker rm -fv`")


def leftovers(before: dict, now: dict) -> list[str]:
    """What is held now and was not before: `volume abc`."""
    return [f"{kind[:-1]} {name}" for kind in now for name in sorted(set(now[kind]) - set(before[kind]))]


class _Cluster:
    def __init__(self, scratch: Path, kind: Path, kubectl: Path):
        self.programs = {"kind": kind, "kubectl": kubectl}
        # Nothing of the caller's own clusters.
        self.environment = {**os.environ, "KUBECONFIG": str(scratch / "kubeconfig"), "KIND_CLUSTER_NAME": NAME}

    def kind(self, *arguments) -> str:
        return self._run("kind", *arguments)

    def kubectl(self, *arguments) -> str:
        return self._run("kubectl", *arguments)

    def _run(self, name: str, *arguments) -> str:
        command = [self.programs[name], *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        with open(cache.log("proof"), "a") as log:
            log.write(f"$ {name} {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
        if done.returncode != 0:
            words = " ".join(map(str, arguments[:2]))
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
            log = cache.log("proof")
            raise Failed(f"`{name} {words}` failed: {said} (all of it is in {log}; --keep keeps the cluster)")
        return done.stdout


def _load_probe(scratch: Path) -> None:
    go.plain(FOLDER / "probe", scratch / "probe")
    tree = Tree()
    tree.program("probe", scratch / "probe")
    tree.write(scratch / "layer.tar")
    with open(scratch / "image.tar", "wb") as out:
        archive.write([Image((PROBE,), (scratch / "layer.tar",), ("/probe",))], pins.architecture(), out)
    _docker("load", "--input", scratch / "image.tar")


def _held() -> dict:
    """What Docker holds, by name."""
    lists = {
        "containers": ("ps", "--all", "--format", "{{json .Names}}"),
        "networks": ("network", "ls", "--format", "{{json .Name}}"),
        "volumes": ("volume", "ls", "--format", "{{json .Name}}"),
        "images": ("images", "--format", "{{json .}}"),
    }
    held = {kind: [json.loads(line) for line in _docker(*words).splitlines()] for kind, words in lists.items()}
    held["images"] = [f"{image['Repository']}:{image['Tag']}" for image in held["images"]]
    return held


def _tidy(before: dict) -> None:
    """Removes what we made besides the cluster, and kind's network where this was its first cluster."""
    now = _held()
    if PROBE in now["images"] and PROBE not in before["images"]:
        _docker("rmi", PROBE)
    if NETWORK in now["networks"] and NETWORK not in before["networks"]:
        _docker("network", "rm", NETWORK)


def _docker(*arguments) -> str:
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Failed("docker is not on PATH: `ci/kind/docker start --install` installs it") from error
    if done.returncode != 0:
        words = " ".join(map(str, arguments[:2]))
        raise Failed(f"`docker {words}` failed: {done.stderr.strip()}; see `ci/kind/docker status`")
    return done.stdout
