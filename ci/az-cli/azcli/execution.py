"""Runs the steps of one document: each in a bash of its own, with what the step before left in its variables."""

import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from . import CannotRun
from .document import Document, Step
from .expectation import Outcome, Verdict, judge
from .fake_arm import ROOT, FakeArm

# A command that waits for a key or polls for ever ends here.
PATIENCE = 600
# What bash sets itself.
OWN_VARIABLES = {"PWD", "OLDPWD", "SHLVL", "_", "LEFT_BEHIND"}
# Nothing but loopback is spoken to, whatever this machine reaches: what tries finds a proxy that is not there.
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Result:
    """What became of a step."""

    step: Step
    seconds: float = 0.0
    # The commands of the step, its own first, each with what was expected of it.
    checks: list = field(default_factory=list)
    # The error that the command ended with; empty where it went well.
    error: str = ""
    # What it asked of the fake, for whoever looks for the cause of a failure.
    requests: list = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.step.skip:
            return "skipped"
        return "failed" if self.failures else "passed"

    @property
    def failures(self) -> list[tuple[str, Verdict]]:
        return [(run, verdict) for run, verdicts in self.checks for verdict in verdicts if verdict.seen is not None]


class Session:
    """A shell that is logged in to a fake, as README.md says."""

    def __init__(self, azure: FakeArm, python: Path, folder: Path, variables: dict, stop: threading.Event):
        self.azure, self.folder, self.stop, self.ledger = azure, folder, stop, 0
        self.work = folder / "work"
        # The identities that have logged in.
        self.identities = set()
        for name in ("bin", "home", "tmp", "work"):
            (folder / name).mkdir()
        shim = folder / "bin" / "az"
        shim.write_text(f'#!/bin/sh\nexec "{python}" -s -m azure.cli "$@"\n')
        shim.chmod(0o755)
        # Nothing of the caller's own Azure, keys or clusters.
        self.variables = {
            "PATH": f"{folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "LC_ALL": "C.UTF-8",
            "HTTPS_PROXY": NOWHERE,
            "HTTP_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            "AZURE_CORE_NO_COLOR": "true",
            "AZURE_CORE_SURVEY_MESSAGE": "false",
            "AZURE_CORE_DISABLE_PROGRESS_BAR": "true",
            "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
            "SUBSCRIPTION_ID": azure.subscription,
            **variables,
        }
        self._log_in()

    def _log_in(self) -> None:
        outcome = self.shell(readme_commands(self.azure))
        if outcome.exit != 0:
            raise CannotRun(f"the commands of README.md failed: {outcome.stderr.strip()}")
        self.variables = outcome.variables
        self._requests()

    def shell(self, script: str, more: dict | None = None) -> Outcome:
        """Runs a script. The outcome's variables are all that it leaves behind."""
        left = self.folder / "left-behind"
        left.unlink(missing_ok=True)
        # Whatever a document assigns is exported, so that the next command finds it.
        text = f'set -a\n{script}\nstatus=$?\nenv -0 > "$LEFT_BEHIND"\nexit $status\n'
        variables = {**self.variables, **(more or {})}
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", text],
            cwd=self.work,
            env={**variables, "LEFT_BEHIND": str(left)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        stdout, stderr = self._ended(process)
        if left.exists():
            entries = (entry.split("=", 1) for entry in left.read_text().split("\0") if entry)
            variables = {name: value for name, value in entries if name not in OWN_VARIABLES}
        return Outcome(process.returncode, stdout, stderr, variables)

    def _ended(self, process: subprocess.Popen) -> tuple[str, str]:
        """What a command wrote; killed with all its children where it must not go on."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                late = time.monotonic() > deadline
                if not (late or self.stop.is_set()):
                    continue
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            return stdout, stderr + (f"\nERROR: it had not ended after {PATIENCE} s\n" if late else "")

    def run(self, step: Step) -> Result:
        """Runs a step and the looks at its outcome."""
        result, started = Result(step), time.monotonic()
        if step.skip:
            return result
        if step.advance:
            self.azure.admin("/clock", {"advance": step.advance})
        for name, text in step.files.items():
            (self.work / name).write_text(text)
        outcome = self._as(step, step.filled)
        self.variables = outcome.variables
        result.error = outcome.error if outcome.exit != 0 else ""
        result.checks.append((step.run.strip(), judge(step, outcome)))
        for check in step.after:
            result.checks.append((check.run.strip(), judge(check, self._as(check, check.run))))
        result.requests, gaps = self._requests()
        if gaps:
            expected = "nothing asked for that fake-arm does not serve"
            result.checks[0][1].append(Verdict(expected, "; ".join(gaps)))
        result.seconds = time.monotonic() - started
        return result

    def _as(self, check, script: str) -> Outcome:
        """Runs a command as the identity that it names, else as the owner."""
        if check.identity is None:
            return self.shell(script)
        client = Template(check.identity).safe_substitute(self.variables)
        header = self.azure.admin(f"/identity?client_id={client}")["IDENTITY_HEADER"]
        config = self.folder / f"identity-{client}"
        more = {
            "AZURE_CONFIG_DIR": str(config),
            "IDENTITY_ENDPOINT": self.azure.identity_endpoint,
            "IDENTITY_HEADER": header,
        }
        if client not in self.identities:
            config.mkdir(exist_ok=True)
            cloud = f"az cloud register --name FakeArm --endpoint-resource-manager {self.azure.endpoint}"
            login = self.shell(f"{cloud} && az cloud set --name FakeArm && az login --identity", more)
            if login.exit != 0:
                return login
            self.identities.add(client)
        outcome = self.shell(script, more)
        outcome.variables = self.variables
        return outcome

    def _requests(self) -> tuple[list[str], list[str]]:
        """What was asked since the last look, and of that what the fake has no route for."""
        entries = []
        while page := self.azure.admin(f"/ledger?after={self.ledger}")["entries"]:
            self.ledger = page[-1]["sequence"]
            entries += page
        lines = [(_line(entry), entry.get("unknownRoute")) for entry in entries]
        return [line for line, _ in lines], [line for line, unknown in lines if unknown]


def _line(entry: dict) -> str:
    error = f" {entry['errorCode']}: {entry.get('errorMessage')}" if entry.get("errorCode") else ""
    return f"{entry['method']} {entry['path']} {entry['status']}{error}"


def readme_commands(azure: FakeArm) -> str:
    """The commands with which README.md points the CLI at a fake, with this fake's values."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^### The Azure CLI\n.*?^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise CannotRun("README.md has no commands below 'The Azure CLI'")
    values = {
        "https://127.0.0.1:8443": azure.endpoint,
        "/tmp/fake-arm-8443-ca.pem": azure.ca,
        "CLIENT": azure.client_id,
        "SECRET": azure.client_secret,
        "TENANT": azure.tenant,
    }
    commands = found.group(1)
    for printed, value in values.items():
        if printed not in commands:
            raise CannotRun(f"README.md's commands for the Azure CLI do not say {printed} any more")
        commands = re.sub(rf"{re.escape(printed)}\b", value, commands)
    # The first that fails decides.
    return f"set -e\n{commands}\nset +e"


def run(document: Document, fake_arm: Path, python: Path, folder: Path, tell, stop: threading.Event) -> list[Result]:
    """Runs a document on a fake of its own, until it is told to stop. Tells each result as it comes."""
    if stop.is_set():
        return []
    folder.mkdir()
    with FakeArm(fake_arm, folder) as azure:
        session = Session(azure, python, folder, document.variables, stop)
        results = []
        for step in document.steps:
            result = session.run(step)
            if stop.is_set():
                break
            results.append(result)
            tell(result)
        return results
