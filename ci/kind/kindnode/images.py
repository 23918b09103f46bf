"""The images that a node holds before anything runs: kubeadm's, pause, and the network of pods, all from scratch."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import Failed, archive, cache, debian, go, pins
from .archive import Image, Tree

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# The name in kind's configuration of containerd, and the one that kubeadm expects.
PAUSE = ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10.1")
POD_NETWORK = "docker.io/catnap/pod-network:1"
POD_NETWORK_SOURCES = Path(__file__).parent.parent / "pod-network"
PATIENCE = 60


def store(jobs: int) -> Path:
    """The archive of containerd's store with these images in it, to lie in /var/lib/containerd of a node."""
    programs = {
        name: path
        for component in (pins.KUBERNETES, pins.ETCD, pins.COREDNS, pins.CONTAINERD)
        for name, path in go.programs(component, jobs).items()
    }
    programs["pause"] = _pause()
    programs["pod-network"] = _pod_network()
    root = debian.kube_proxy_root()
    sources = [pins.KUBERNETES.key, pins.ETCD.key, pins.COREDNS.key, pins.CONTAINERD.key, programs["pause"].parent.name]
    key = pins.key([*sources, programs["pod-network"].parent.name, root.parent.name, Path(__file__).read_bytes()])
    title = "putting the images of a node into containerd's store"
    return cache.made("images", key, title, lambda making, _: _fill(making, programs, root)) / "store.tar"


def _pause() -> Path:
    """Kubernetes' own, which is C."""
    source = go.module_folder(pins.KUBERNETES) / "build" / "pause" / "linux" / "pause.c"

    def make(making: Path, _) -> None:
        log = cache.log("pause")
        command = ["gcc", "-Os", "-static", "-s", "-DVERSION=v3.10.1", "-o", making / "pause", source]
        with open(log, "w") as output:
            try:
                done = subprocess.run(command, stdout=output, stderr=output)
            except FileNotFoundError as error:
                raise Failed("gcc is not on PATH: `ci/kind/docker start --install` installs it") from error
        if done.returncode != 0:
            raise Failed(f"failed to build pause from {source}: see {log}; it needs gcc and libc6-dev")

    key = pins.key([pins.KUBERNETES.version, pins.architecture()])
    return cache.made("pause", key, "building pause", make) / "pause"


def _pod_network() -> Path:
    key = pins.key([*(path.read_bytes() for path in sorted(POD_NETWORK_SOURCES.iterdir())), pins.architecture()])
    make = lambda making, _: go.plain(POD_NETWORK_SOURCES, making / "pod-network")
    return cache.made("pod-network", key, "building pod-network", make) / "pod-network"


def _fill(making: Path, programs: dict[str, Path], root: Path) -> None:
    # A socket's path must be short.
    scratch = Path(tempfile.mkdtemp(prefix="kind-images-"))
    try:
        images = _images(programs, root, scratch)
        _check_names(images, programs["kubeadm"])
        with open(scratch / "images.tar", "wb") as out:
            archive.write(images, pins.architecture(), out)
        _import(scratch, programs)
        tree = Tree()
        for part in ("io.containerd.content.v1.content", "io.containerd.metadata.v1.bolt"):
            for path in sorted((scratch / "root" / part).rglob("*")):
                inside = f"var/lib/containerd/{path.relative_to(scratch / 'root')}"
                tree.file(inside, path) if path.is_file() else tree.folder(inside)
        tree.write(making / "store.tar")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _images(programs: dict[str, Path], kube_proxy_root: Path, scratch: Path) -> list[Image]:
    def layer(name: str, inside: str) -> Path:
        tree, path = Tree(), scratch / f"{name}.layer"
        tree.program(inside, programs[name])
        tree.write(path)
        return path

    kubernetes = pins.KUBERNETES.version
    images = []
    for name in CONTROL_PLANE:
        inside = f"usr/local/bin/{name}"
        images.append(Image((f"registry.k8s.io/{name}:{kubernetes}",), (layer(name, inside),), (f"/{inside}",)))
    tools = Tree()
    for name in ("iptables", "ip6tables"):
        for word in ("", "-save", "-restore"):
            # As Debian does it; in a node that uses the legacy tables, both kinds of rules are in force.
            tools.link(f"usr/sbin/{name}{word}", "xtables-nft-multi")
    tools.write(scratch / "tools.layer")
    layers = (kube_proxy_root, scratch / "tools.layer", layer("kube-proxy", "usr/local/bin/kube-proxy"))
    images.append(Image((f"registry.k8s.io/kube-proxy:{kubernetes}",), layers, ("/usr/local/bin/kube-proxy",)))
    # kubeadm counts the builds of an image of etcd.
    etcd = f"registry.k8s.io/etcd:{pins.ETCD.version.removeprefix('v')}-0"
    images.append(Image((etcd,), (layer("etcd", "usr/local/bin/etcd"),), ("/usr/local/bin/etcd",)))
    coredns = f"registry.k8s.io/coredns/coredns:{pins.COREDNS.version}"
    images.append(Image((coredns,), (layer("coredns", "coredns"),), ("/coredns",)))
    images.append(Image(PAUSE, (layer("pause", "pause"),), ("/pause",)))
    images.append(Image((POD_NETWORK,), (layer("pod-network", "pod-network"),), ("/pod-network",)))
    return images


def _check_names(images: list[Image], kubeadm: Path) -> None:
    """Holds the names against what kubeadm will ask for: a wrong one would be pulled, and that cannot work."""
    command = [kubeadm, "config", "images", "list", "--kubernetes-version", pins.KUBERNETES.version]
    wanted = subprocess.run(command, capture_output=True, text=True)
    missing = lacking(wanted.stdout, images)
    if wanted.returncode != 0 or missing:
        raise Failed(
            f"kubeadm asks for {', '.join(missing) or 'nothing: ' + wanted.stderr.strip()}, which is not made: give the"
            " component that version in ci/kind/pinned, and its image that name in kindnode/images.py"
        )


def lacking(wanted: str, images: list[Image]) -> list[str]:
    """What kubeadm lists and no image is called."""
    return sorted(set(wanted.split()) - {name for image in images for name in image.names})


def _import(scratch: Path, programs: dict[str, Path]) -> None:
    """Imports images.tar into a containerd of its own, which has its store in `root`."""
    log, socket, config = cache.log("images"), scratch / "socket", scratch / "config.toml"
    config.write_text(
        "version = 3\n"
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images",'
        ' "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]\n'
    )
    folders = ["--root", scratch / "root", "--state", scratch / "state", "--address", socket, "--config", config]
    with open(log, "w") as output:
        daemon = subprocess.Popen([programs["containerd"], *folders], stdout=output, stderr=output)
        try:
            ctr = [programs["ctr"], "--address", socket, "--namespace", "k8s.io"]
            _wait_until_it_answers(daemon, ctr, log)
            label = "--label=io.cri-containerd.pinned=pinned"
            command = [*ctr, "images", "import", label, "--no-unpack", "--digests", scratch / "images.tar"]
            if subprocess.run(command, stdout=output, stderr=output, env=_plain_environment()).returncode != 0:
                raise Failed(f"containerd did not import the images of a node: see {log} for the cause")
        finally:
            daemon.terminate()
            daemon.wait()


def _wait_until_it_answers(daemon: subprocess.Popen, ctr: list, log: Path) -> None:
    for _ in range(PATIENCE * 5):
        asked = subprocess.run([*ctr, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if asked.returncode == 0:
            return
        try:
            daemon.wait(0.2)
            raise Failed(f"containerd ended with {daemon.returncode} before it answered: see {log} for the cause")
        except subprocess.TimeoutExpired:
            continue
    raise Failed(f"containerd did not answer within {PATIENCE} s: see {log} for the cause")


def _plain_environment() -> dict:
    return {name: value for name, value in os.environ.items() if not name.startswith("CONTAINERD_")}
