"""File systems from Debian's packages, as archives."""

import shutil
import subprocess
from pathlib import Path

from . import Failed, cache, pins

SUITE = "bookworm"
# What kind's nodes have, without what only network file systems and rootless nodes need.
NODE = (
    "systemd systemd-sysv conntrack iptables nftables iproute2 ethtool util-linux mount kmod libseccomp2 pigz e2fsprogs"
    " bash ca-certificates curl jq procps socat"
).split()
# What kube-proxy runs.
KUBE_PROXY = ["iptables", "nftables", "conntrack"]
HOOK = Path(__file__).parent / "root_hook"
ABSENT = ("doc", "man", "info", "locale", "lintian")


def node_root() -> Path:
    """The archive of a node's root file system, without anything of Kubernetes."""
    exclude = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ABSENT]
    return _archive("node-root", NODE, ["--variant=minbase", *exclude, f"--customize-hook={HOOK} \"$1\""])


def kube_proxy_root() -> Path:
    """The archive of the programs that kube-proxy runs, with their libraries."""
    return _archive("kube-proxy-root", KUBE_PROXY, ["--variant=extract"])


def _archive(name: str, packages: list[str], flags: list[str]) -> Path:
    hook = HOOK.read_bytes() if any(str(HOOK) in flag for flag in flags) else b""
    # Not where the hook lies: what another clone has made is the same.
    known = [flag.replace(str(HOOK), HOOK.name) for flag in flags]
    key = pins.key([SUITE, *packages, *known, hook, pins.architecture()])
    title = f"installing Debian {SUITE} for {name}"
    made = cache.made(name, key, title, lambda making, step: _install(name, packages, flags, making / "root.tar"))
    return made / "root.tar"


def _install(name: str, packages: list[str], flags: list[str], archive: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise Failed("mmdebstrap is not on PATH: `ci/kind/docker start --install` installs it")
    log = cache.log(name)
    command = ["mmdebstrap", "--skip=output/dev", f"--include={','.join(packages)}", *flags, SUITE, archive]
    with open(log, "w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if done.returncode != 0:
        lines = [line for line in log.read_text().splitlines() if line.startswith("E: ")]
        reason = lines[0][3:] if lines else f"mmdebstrap ended with {done.returncode}"
        raise Failed(
            f"failed to install the packages of {name}: {reason} (all of it is in {log}); see that this machine reaches"
            " Debian's packages with apt-get"
        )
