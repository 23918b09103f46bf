"""A dockerd for a machine that runs none: started, looked at, and stopped with what it changed put back."""

import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import Failed, oci_runtime
from .machine import Machine, boot
from .terminal import Step, say

# Package, and the file by which it is known to be there.
PACKAGES = {
    "docker.io": "/usr/sbin/dockerd",
    "iptables": "/usr/sbin/iptables",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "gcc": "/usr/bin/gcc",
    "libc6-dev": "/usr/include/stdlib.h",
    "pkg-config": "/usr/bin/pkg-config",
    "libseccomp-dev": "/usr/include/seccomp.h",
}
# One machine has one, whoever's cache folder it is. Not below /run, where many systems let nothing be executed.
FOLDER = Path("/var/lib/catnap-kind")
STATE = FOLDER / "state.json"
LOG = FOLDER / "dockerd.log"
SOCKET = "unix:///var/run/docker.sock"
PATIENCE = 60


def start(install: bool) -> None:
    if install:
        _install()
    if version := answering():
        return say(f"Docker {version} answers already" + (", started by ci/kind/docker" if _ours() else ""))
    if os.environ.get("DOCKER_HOST"):
        there = os.environ["DOCKER_HOST"]
        raise Failed(f"DOCKER_HOST is {there}, and no Docker answers there: start that one, or unset DOCKER_HOST")
    if os.geteuid() != 0:
        raise Failed("dockerd needs root: run `ci/kind/docker start` as root")
    if not shutil.which("dockerd"):
        raise Failed("dockerd is not on PATH: `ci/kind/docker start --install` installs it with apt-get")
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(f"failed to make the folder of dockerd's log: {error}; make {FOLDER} writable for root") from error
    # What an earlier start saw is still owed where no stop has put it back.
    state = _state()
    machine = state["machine"] if state else Machine.seen().told()
    command = ["dockerd", f"--host={SOCKET}"]
    if missing := oci_runtime.here():
        runtime = FOLDER / "oci-runtime"
        shutil.copy(oci_runtime.__file__, runtime)
        runtime.chmod(0o755)
        command += [f"--add-runtime=catnap={runtime}", "--default-runtime=catnap"]
        say(f"this machine withholds {', '.join(sorted(missing))}: containers are not given it")
    if (niceness := os.nice(0)) > 0:
        say(f"this has niceness {niceness}, and so will all containers: on a busy machine they may fail to start")
    with Step("starting dockerd") as step, open(LOG, "w") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True
        )
        _write(process.pid, machine)
        deadline = time.monotonic() + PATIENCE
        while not answering():
            try:
                process.wait(0.2)
                raise Failed(f"dockerd ended with {process.returncode}: {_last_error(LOG)} (all of it is in {LOG})")
            except subprocess.TimeoutExpired:
                step.progress("it does not answer yet")
            if time.monotonic() > deadline:
                _end(process.pid)
                raise Failed(f"dockerd did not answer within {PATIENCE} s: see {LOG} for the cause")


def stop(force: bool) -> None:
    state = _state()
    running = _ours()
    if not running and answering():
        raise Failed("the Docker that answers here was not started by ci/kind/docker: stop it as it was started")
    if running and not force and (names := _containers()):
        raise Failed(f"containers are running: {', '.join(names)}; end them (kind delete cluster), or use --force")
    if running:
        with Step("stopping dockerd"):
            _end(running)
    if not state:
        return say("no dockerd of ci/kind/docker is running, and nothing is to be put back")
    Machine.read(state["machine"]).put_back(say)
    shutil.rmtree(FOLDER)


def status() -> bool:
    """Says what there is; true where Docker answers."""
    version, running = answering(), _ours()
    if version:
        whose = f"started by ci/kind/docker, process {running}" if running else "not started by ci/kind/docker"
        say(f"Docker {version} answers, {whose}; running containers: {', '.join(_containers()) or 'none'}")
    else:
        say(f"process {running} runs and does not answer; see {LOG}" if running else "no Docker answers")
    return bool(version)


def answering() -> str | None:
    """The version of the Docker that the command line reaches."""
    return _asked(["docker", "info", "--format", "{{.ServerVersion}}"])


def _containers() -> list[str]:
    return (_asked(["docker", "ps", "--format", "{{.Names}}"]) or "").split()


def _asked(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _install() -> None:
    lacking = [package for package, file in PACKAGES.items() if not Path(file).exists()]
    if not lacking:
        return
    if os.geteuid() != 0:
        raise Failed(f"installing {', '.join(lacking)} needs root: run `ci/kind/docker start --install` as root")
    if not shutil.which("apt-get"):
        raise Failed(f"apt-get is not on PATH: install {', '.join(lacking)}, or what they are called here, otherwise")
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = FOLDER / "install.log"
    with Step(f"installing {' '.join(lacking)}"), open(log, "w") as output:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *lacking]):
            variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(
                ["apt-get", *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables
            )
            if done.returncode != 0:
                raise Failed(
                    f"apt-get {command[0]} failed: {_last_error(log)} (all of it is in {log}); see that this"
                    " machine reaches its packages"
                )


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line or line.startswith(("E:", "failed"))]
    return (errors or lines or ["it said nothing"])[-1]


def _end(pid: int) -> None:
    """Ends dockerd, which ends its containers and its containerd."""
    deadline = time.monotonic() + PATIENCE
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        signal.pidfd_send_signal(watched, sign)
        ready, _, _ = select.select([watched], [], [], max(1, deadline - time.monotonic()))
        os.close(watched)
        if ready:
            return


def _state() -> dict | None:
    """What the last start wrote; None where it is of an earlier start of the machine, after which nothing is owed."""
    try:
        state = json.loads(STATE.read_text())
    except FileNotFoundError:
        return None
    return state if state["machine"]["boot"] == boot() else None


def _write(pid: int, machine: dict) -> None:
    state = {"pid": pid, "started": _started(pid), "machine": machine}
    STATE.write_text(json.dumps(state, indent=1))


def _ours() -> int | None:
    """The process id of the dockerd that start has started, where it still runs."""
    state = _state()
    if state and (started := _started(state["pid"])) and started == state["started"]:
        return state["pid"]
    return None


def _started(pid: int) -> str | None:
    """When a process began, by which it is told from a later one with the same id. None where it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    after_name = text.rsplit(")", 1)[1].split()
    return None if after_name[0] == "Z" else after_name[19]
