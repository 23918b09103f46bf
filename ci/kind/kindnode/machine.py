"""What Docker and a kubelet change for the whole machine, and how it is put back."""

import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

# None of these is a container's own, so each holds for the whole machine.
SETTINGS = (
    # Set by a kubelet.
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    # By the systemd of a node; those below fs.file-max only by that of a pulled image.
    "fs.nr_open",
    "fs.file-max",
    "fs.protected_fifos",
    "fs.protected_hardlinks",
    "fs.protected_regular",
    "fs.protected_symlinks",
    "kernel.pid_max",
    # By Docker. Each of the first two also sets what there is for single interfaces.
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)
MODULES = Path("/lib/modules")
CGROUPS = Path("/sys/fs/cgroup")
TABLES = ("iptables", "ip6tables")


@dataclass
class Machine:
    """As it was before dockerd was started."""

    # Changes with every start of the machine, with which all of this is as it was anyway.
    boot: str
    settings: dict
    modules: bool
    # The bridges and the cgroups there were.
    bridges: list
    cgroups: list
    # What iptables-save and ip6tables-save said.
    rules: dict

    @staticmethod
    def seen() -> "Machine":
        return Machine(
            boot=boot(),
            settings={name: value for name in SETTINGS if (value := setting(name)) is not None},
            modules=MODULES.exists(),
            bridges=bridges(),
            cgroups=[str(path) for path in cgroups()],
            rules={table: saved(table) for table in TABLES},
        )

    @staticmethod
    def read(told: dict) -> "Machine":
        return Machine(**told)

    def told(self) -> dict:
        return asdict(self)

    def put_back(self, say) -> None:
        """Undoes what differs, and says what. Anything that others have made since is left alone."""
        for name, value in self.settings.items():
            if (now := setting(name)) not in (None, value):
                _place(name).write_text(value)
                say(f"{name}: {now} is {value} again")
        for bridge in sorted(set(bridges()) - set(self.bridges)):
            _quiet(["ip", "link", "delete", bridge])
            say(f"bridge {bridge}: removed")
        for table in TABLES:
            commands = undoing(saved(table), self.rules.get(table, ""))
            for command in commands:
                _quiet([table, "--wait", *command])
            if commands:
                say(f"{table}: Docker's chains and rules removed")
        for path in cgroups():
            if str(path) not in self.cgroups and _without_processes(path):
                say(f"cgroup {path}: removed")
        if not self.modules and MODULES.is_dir() and not any(MODULES.iterdir()):
            MODULES.rmdir()
            say(f"{MODULES}: removed, it was not there and is empty")


def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def setting(name: str) -> str | None:
    """The value of a sysctl; None where this kernel has none of that name."""
    try:
        return _place(name).read_text().strip()
    except OSError:
        return None


def _place(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def bridges() -> list[str]:
    """Docker's: `docker0`, and `br-` with the beginning of a network's id."""
    names = sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))
    return [name for name in names if re.fullmatch(r"docker0|br-[0-9a-f]{12}", name)]


def cgroups() -> list[Path]:
    """Docker's in every hierarchy, of version 1 and of version 2."""
    return sorted([*CGROUPS.glob("docker"), *CGROUPS.glob("*/docker")])


def _without_processes(path: Path) -> bool:
    """Removes a cgroup with all below it; false where processes are in one of them."""
    try:
        for below in sorted(path.rglob("*"), reverse=True):
            if below.is_dir():
                below.rmdir()
        path.rmdir()
    except OSError:
        return False
    return True


def saved(table: str) -> str:
    try:
        return subprocess.run([f"{table}-save"], capture_output=True, text=True).stdout
    except OSError:
        return ""


def _quiet(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def undoing(now: str, before: str) -> list[list[str]]:
    """The arguments for iptables that take Docker's rules and chains away and give chains their old policy back.

    Both texts are of iptables-save. A rule is Docker's where it is in or leads to a chain whose name begins with
    DOCKER, or names one of Docker's bridges, and was not there before.
    """
    old_policies, old_rules = _policies(before), set(_rules(before))
    commands = []
    own = [(table, rule) for table, rule in _rules(now) if _of_docker(rule) and (table, rule) not in old_rules]
    for table, rule in own:
        commands.append(["-t", table, "-D", *_words(rule)[1:]])
    chains = [(table, chain) for table, chain in _chains(now) if chain.startswith("DOCKER")]
    for table, chain in chains:
        if (table, chain) not in _chains(before):
            commands += [["-t", table, "-F", chain], ["-t", table, "-X", chain]]
    for (table, chain), policy in _policies(now).items():
        # Docker sets the policy of FORWARD to DROP; a table that was not there lets everything pass.
        if policy != (old := old_policies.get((table, chain), "ACCEPT")) and (table, chain) == ("filter", "FORWARD"):
            commands.append(["-t", table, "-P", chain, old])
    return commands


def _of_docker(rule: str) -> bool:
    return re.search(r"-[Aj] DOCKER|-[io] (docker0|br-[0-9a-f]{12})\b", rule) is not None


def _tables(text: str):
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        else:
            yield table, line


def _rules(text: str) -> list[tuple[str, str]]:
    return [(table, line) for table, line in _tables(text) if line.startswith("-A ")]


def _chains(text: str) -> list[tuple[str, str]]:
    return [(table, line[1:].split()[0]) for table, line in _tables(text) if line.startswith(":")]


def _policies(text: str) -> dict:
    lines = [(table, line[1:].split()) for table, line in _tables(text) if line.startswith(":")]
    return {(table, words[0]): words[1] for table, words in lines if words[1] != "-"}


def _words(rule: str) -> list[str]:
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rule)]
