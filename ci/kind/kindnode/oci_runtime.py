#!/usr/bin/env python3
"""An OCI runtime in front of runc, for machines that withhold a capability.

Docker 20.10 asks for every capability there is when a container is privileged, and runc refuses what the machine does
not have ("unable to apply caps: operation not permitted"). This takes those out of what is asked for and hands over to
runc. It stands alone: dockerd runs it as a program.
"""

import json
import os
import shutil
import sys
from pathlib import Path

# By number, as in linux/capability.h.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE"
    " NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN"
    " SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE"
    " MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def withheld(status: str, last: int) -> set[str]:
    """The capabilities up to the kernel's last that a /proc/…/status does not have in its bounding set."""
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    held = int(line.split()[1], 16)
    return {f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if number <= last and not held >> number & 1}


def here() -> set[str]:
    """What this process cannot hand on."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return withheld(Path("/proc/self/status").read_text(), last)


def lowered(document: dict, without: set[str]) -> dict:
    """A container's config.json, or the process of an exec, that does not ask for these capabilities."""
    process = document.get("process", document)
    for kind, names in (process.get("capabilities") or {}).items():
        process["capabilities"][kind] = [name for name in names or [] if name not in without]
    return document


def described(arguments: list[str]) -> Path | None:
    """The file that says what runc is to start; None where it starts nothing."""
    if "create" in arguments or "run" in arguments:
        return Path(_value(arguments, ("--bundle", "-b")) or ".") / "config.json"
    if "exec" in arguments and (named := _value(arguments, ("--process", "-p"))):
        return Path(named)
    return None


def _value(arguments: list[str], flags: tuple) -> str | None:
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in flags:
            return value or (arguments[place + 1] if place + 1 < len(arguments) else None)
    return None


def main() -> None:
    arguments = sys.argv[1:]
    if path := described(arguments):
        path.write_text(json.dumps(lowered(json.loads(path.read_text()), here())))
    runc = shutil.which("runc")
    if not runc:
        sys.exit("runc is not on PATH: install it, with Docker, by `ci/kind/docker start --install`")
    os.execv(runc, [runc, *arguments])


if __name__ == "__main__":
    main()
