"""The node image: kind's base image and what `kind build node-image` adds to it, in one, from what was built here."""

import json
import subprocess
from pathlib import Path

from . import Failed, archive, cache, debian, go, images, pins
from .archive import PATH, Image, Tree
from .terminal import Step

MANIFESTS = Path(__file__).parent.parent / "manifests"
LABEL = "catnap.kind.key"
# What each folder of kind's files has for modes: in a module everything is read-only.
PROGRAMS = ("usr/local/bin/", "kind/bin/")


def tag() -> str:
    """`kindest/node:v1.34.4-catnap`."""
    return f"kindest/node:{pins.KUBERNETES.version}-catnap"


def built(jobs: int) -> Image:
    """The image, with its layers in the cache."""
    root, store = debian.node_root(), images.store(jobs)
    programs = {}
    for component in (pins.KUBERNETES, pins.CONTAINERD, pins.RUNC, pins.CNI, pins.CRICTL):
        programs[component] = go.programs(component, jobs)
    base = go.module_folder(pins.KIND) / "images" / "base" / "files"
    own = [path.read_bytes() for path in sorted(MANIFESTS.iterdir())]
    parts = [pins.KIND.version, *(component.key for component in programs), *own, Path(__file__).read_bytes()]
    title = "putting the files of a node together"
    make = lambda making, _: _files(making / "layer.tar", base, programs)
    made = cache.made("node-files", pins.key(parts), title, make)
    layers = (root, made / "layer.tar", store)
    return Image(
        names=(tag(),),
        layers=layers,
        entrypoint=("/usr/local/bin/entrypoint", "/sbin/init"),
        environment=(PATH, "container=docker"),
        stop_signal="SIGRTMIN+3",
        labels={LABEL: pins.key([layer.parent.name for layer in layers])},
    )


def _files(to: Path, base: Path, programs: dict) -> None:
    tree = Tree()
    for path in sorted(base.rglob("*")):
        inside = str(path.relative_to(base))
        if path.is_file() and not inside.startswith("LICENSES/"):
            tree.file(inside, path, 0o755 if inside.startswith(PROGRAMS) else 0o644)
    config = "etc/containerd/config.toml"
    tree.file(config, configured((base / config).read_text()))
    tree.file("etc/containerd/cri-base.json", _base_spec(programs[pins.CONTAINERD]["ctr"]))
    for name in ("kubeadm", "kubelet", "kubectl"):
        tree.program(f"usr/bin/{name}", programs[pins.KUBERNETES][name])
    for name, path in {**programs[pins.CONTAINERD], **programs[pins.CRICTL]}.items():
        tree.program(f"usr/local/bin/{name}", path)
    tree.program("usr/local/sbin/runc", programs[pins.RUNC]["runc"])
    for name, path in programs[pins.CNI].items():
        tree.program(f"opt/cni/bin/{name}", path)
    tree.file("kind/version", pins.KUBERNETES.version)
    for path in MANIFESTS.iterdir():
        tree.file(f"kind/manifests/{path.name}", path)
    tree.write(to)


def configured(config: str) -> str:
    """kind's configuration of containerd, for nodes to which the machine may give no CAP_SYS_RESOURCE.

    Without that, no process can have a lower OOM score than its parent's, and no container would start.
    """
    wanted = "restrict_oom_score_adj = true"
    changed = config.replace("restrict_oom_score_adj = false", wanted)
    if wanted not in changed:
        raise Failed("kind's configuration of containerd has no restrict_oom_score_adj: see what took its place there")
    return changed


def _base_spec(ctr: Path) -> str:
    """What every container in a node starts from."""
    done = subprocess.run([ctr, "oci", "spec"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"`ctr oci spec` failed: {done.stderr.strip()}; build containerd anew: remove {ctr.parent}")
    return json.dumps(hooked(json.loads(done.stdout)), indent=1)


def hooked(spec: dict) -> dict:
    """As kind's Dockerfile changes it: with kind's hook, without limits."""
    hooks = spec.setdefault("hooks", {})
    hooks["createContainer"] = [*hooks.get("createContainer", []), {"path": "/kind/bin/mount-product-files.sh"}]
    spec["process"].pop("rlimits", None)
    return spec


def load(image: Image) -> None:
    """Gives the image to Docker, unless it has this very one. One of other pins makes room."""
    old = _docker("image", "inspect", "--format", "{{.Id}}", tag())
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    if old and _docker("image", "inspect", "--format", label, tag()) == image.labels[LABEL]:
        return
    log = cache.log("load")
    with Step(f"loading {tag()} into Docker"), open(log, "w") as output:
        loading = subprocess.Popen(["docker", "load"], stdin=subprocess.PIPE, stdout=output, stderr=output)
        try:
            archive.write([image], pins.architecture(), loading.stdin)
            loading.stdin.close()
        except BrokenPipeError:
            # Docker ended before it had all of it; it says why.
            pass
        if loading.wait() != 0:
            said = log.read_text().strip() or "it said nothing"
            raise Failed(f"docker did not load {tag()}: {said.splitlines()[-1]}; see `ci/kind/docker status`")
        if old:
            # Refused, as it should be, where a node still runs of it.
            _docker("rmi", old)


def _docker(*arguments) -> str:
    """What a docker command says; nothing where it fails."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Failed("docker is not on PATH: `ci/kind/docker start --install` installs it") from error
    return done.stdout.strip() if done.returncode == 0 else ""
