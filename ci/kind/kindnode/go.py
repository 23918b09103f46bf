"""Builds programs with Go from their pinned sources. What Go downloads and compiles stays in its own caches."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import Failed, cache, pins
from .pins import Component

GO_MISSING = "go is not on PATH: install Go 1.26.3 or newer"
# What a failed build says, and what to do about it.
REMEDIES = (
    (
        r"checksum mismatch|SECURITY ERROR",
        "the module proxy serves other sources than were pinned: use another one (GOPROXY)",
    ),
    (r"requires go >=|is newer than|toolchain not available", "install the Go that it names"),
    (r"no space left on device", "make room, or point CATNAP_CACHE, GOCACHE and GOMODCACHE elsewhere"),
    (r"signal: killed", "the machine ran out of memory: try again with --jobs 1"),
    (
        r"libseccomp|pkg-config|\"gcc\"|C compiler",
        "install gcc, pkg-config and libseccomp-dev, as `ci/kind/docker start --install` does",
    ),
    (
        r"module lookup disabled|dial tcp|no such host|i/o timeout|connection re|TLS handshake|x509|unreachable"
        r"|\b(403|404|407|410|50\d) ",
        "see that GOPROXY names a module proxy that this machine reaches (`go env GOPROXY`)",
    ),
)


def programs(component: Component, jobs: int) -> dict[str, Path]:
    """The programs of a component by name, built where they are not in the cache."""
    folder = cache.made(
        f"programs-{component.name}",
        component.key,
        f"building {component.title}",
        lambda making, step: _build(component, making, jobs, step),
    )
    return {name: folder / name for name in component.programs}


def module_folder(component: Component) -> Path:
    """The sources of a component's module, downloaded where they are not there."""
    output = _run(component, ["mod", "download", "-json", component.module])
    return Path(json.loads(output)["Dir"])


def _build(component: Component, out: Path, jobs: int, step) -> None:
    packages = list(component.programs.values())
    step.progress("downloading its sources")
    template = '{{if and .Stale (ne .Name "main")}}{{.ImportPath}}{{end}}'
    stale = _run(component, ["list", *component.flags, "-deps", "-f", template, *packages])
    total, done = len(stale.split()), 0
    # With a folder as its output, Go names programs after their packages.
    single = len(packages) == 1
    output = out / next(iter(component.programs)) if single else f"{out}/"
    command = ["build", "-v", f"-p={jobs}", "-o", str(output), *component.flags, *packages]

    def hear(line: str) -> None:
        nonlocal done
        if is_package(line):
            done += 1
            step.progress(f"package {done} of {max(done, total)}")

    _run(component, command, hear)
    for name in component.programs:
        if not (out / name).is_file():
            raise Failed(f"failed to build {component.title}: Go made no {name}; its output is in {_log(component)}")


def plain(folder: Path, out: Path) -> None:
    """Builds a program of our own, which needs nothing but Go's library."""
    flags = [*pins.BUILD_FLAGS, "-ldflags=-s -w"]
    log = cache.log(f"programs-{folder.name}")
    _start(["build", *flags, "-o", str(out), "."], folder, log, f"build {folder.name}", cgo=False)


def _run(component: Component, arguments: list[str], hear=lambda line: None) -> str:
    return _start(arguments, component.folder, _log(component), f"build {component.title}", component.cgo, hear)


def _log(component: Component) -> Path:
    return cache.log(f"programs-{component.name}")


def _start(arguments: list[str], folder: Path, log: Path, what: str, cgo: bool, hear=lambda line: None) -> str:
    if not shutil.which("go"):
        raise Failed(f"failed to {what}: {GO_MISSING}")
    variables = {
        **os.environ,
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "CGO_ENABLED": "1" if cgo else "0",
        "GOARCH": pins.architecture(),
    }
    with open(log, "w") as kept:
        process = subprocess.Popen(
            ["go", *arguments],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if arguments[0] != "build" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if arguments[0] == "build" else kept,
            text=True,
        )
        try:
            if arguments[0] == "build":
                output = ""
                for line in process.stderr:
                    kept.write(line)
                    hear(line.rstrip("\n"))
            else:
                output = process.stdout.read()
            process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        # `go mod download -json` puts its complaint into the JSON.
        raise Failed(f"failed to {what}: {complaint(log.read_text() or output)} (all of it is in {log})")
    return output


def is_package(line: str) -> bool:
    """With `-v`, Go prints the path of each package as it begins to compile it, between whatever else it has to say."""
    return bool(line) and not re.search(r"\s", line) and not line.startswith("#")


def complaint(output: str) -> str:
    """What Go says is wrong, in one line, and what to do about it."""
    lines = [line.strip() for line in output.splitlines()]
    told = [line for line in lines if line and not is_package(line) and not line.startswith(("go: downloading", "#"))]
    if not told:
        return "Go said nothing: it was ended, or ran out of memory; try again with --jobs 1"
    for pattern, remedy in REMEDIES:
        for line in told:
            if re.search(pattern, line):
                return f"{line}; {remedy}"
    return told[-1]
