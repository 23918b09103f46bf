"""What a node is made of: each component with its pinned sources, its programs and how they are built."""

import hashlib
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from . import Failed

FOLDER = Path(__file__).parent.parent / "pinned"
# As the harness builds, so that both share what Go has compiled.
BUILD_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, eq=False)
class Component:
    """One folder below `pinned/`."""

    name: str
    # The module whose version is the component's.
    module: str
    # The programs by name, each with its package.
    programs: dict
    tags: tuple = ()
    # Variables that the linker sets, with {version} in them.
    variables: dict = None
    # Needs C, and is linked statically with it.
    cgo: bool = False

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def version(self) -> str:
        """As in go.mod: `v1.34.4`."""
        return required(self._text("go.mod"), self.module)

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def flags(self) -> list[str]:
        """What `go build` is given besides the packages."""
        link = "-s -w"
        for name, value in (self.variables or {}).items():
            link += f" -X {name}={value.format(version=self.version)}"
        if self.cgo:
            link += " -linkmode external -extldflags -static"
        flags = [*BUILD_FLAGS, f"-ldflags={link}"]
        return [*flags, f"-tags={','.join(self.tags)}"] if self.tags else flags

    @property
    def key(self) -> str:
        """Names the outcome in the cache: another requirement, checksum, flag or system gives another key."""
        programs = [f"{name}={package}" for name, package in self.programs.items()]
        parts = [self._text("go.mod"), self._text("go.sum"), *self.flags, *programs, architecture(), f"cgo={self.cgo}"]
        return key(parts)

    def _text(self, name: str) -> str:
        path = self.folder / name
        try:
            return path.read_text()
        except OSError as error:
            raise Failed(f"the pins of {self.name} cannot be read: {error}; restore the file from git") from error


def key(parts) -> str:
    """Twelve hexadecimal digits that differ where any of the texts or bytes differs."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


def required(go_mod: str, module: str) -> str:
    """The version in which a go.mod requires a module."""
    found = re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise Failed(f"the pins do not require {module}: add it with its version to the go.mod that should")
    return found.group(1)


def architecture() -> str:
    """This machine's, in Go's and Debian's words."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise Failed(f"node images are not made for {machine}: use a machine with {' or '.join(ARCHITECTURES)}")
    return ARCHITECTURES[machine]


def _kubernetes_variables() -> dict:
    # A module carries no commit and no date; what is said here must not differ between builds.
    variables = {}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        variables[f"{package}.gitVersion"] = "{version}"
        variables[f"{package}.gitMajor"] = "1"
        variables[f"{package}.gitMinor"] = "34"
        variables[f"{package}.gitCommit"] = "unknown"
        variables[f"{package}.gitTreeState"] = "clean"
        variables[f"{package}.buildDate"] = "1970-01-01T00:00:00Z"
    return variables


def _of(folder: str, *names: str) -> dict:
    return {name: f"{folder}/{name}" for name in names}


KIND = Component("kind", "sigs.k8s.io/kind", {"kind": "sigs.k8s.io/kind"})
KUBERNETES = Component(
    "kubernetes",
    "k8s.io/kubernetes",
    _of(
        "k8s.io/kubernetes/cmd",
        "kubeadm",
        "kubelet",
        "kubectl",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
    ),
    variables=_kubernetes_variables(),
)
ETCD = Component("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"})
CONTAINERD = Component(
    "containerd",
    "github.com/containerd/containerd/v2",
    _of("github.com/containerd/containerd/v2/cmd", "containerd", "containerd-shim-runc-v2", "ctr"),
    # As kind builds it: its nodes select no other snapshotter.
    tags=("urfave_cli_no_docs", "no_aufs", "no_zfs", "no_btrfs", "no_devmapper", "static_build"),
    variables={"github.com/containerd/containerd/v2/version.Version": "{version}"},
)
RUNC = Component(
    "runc",
    "github.com/opencontainers/runc",
    {"runc": "github.com/opencontainers/runc"},
    tags=("seccomp", "urfave_cli_no_docs", "netgo", "osusergo"),
    cgo=True,
)
CNI = Component(
    "cni",
    "github.com/containernetworking/plugins",
    {
        "host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
        "loopback": "github.com/containernetworking/plugins/plugins/main/loopback",
        "ptp": "github.com/containernetworking/plugins/plugins/main/ptp",
        "portmap": "github.com/containernetworking/plugins/plugins/meta/portmap",
    },
)
CRICTL = Component(
    "crictl",
    "sigs.k8s.io/cri-tools",
    {"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
    variables={"sigs.k8s.io/cri-tools/pkg/version.Version": "{version}"},
)
COREDNS = Component("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"})

# The small ones first, so that what is missing on a machine shows early.
ALL = (KIND, RUNC, CNI, CRICTL, ETCD, CONTAINERD, COREDNS, KUBERNETES)
