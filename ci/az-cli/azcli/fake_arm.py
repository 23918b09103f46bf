"""`fake-arm serve`: built where no binary is named, started fresh on free ports, gone at the end."""

import json
import os
import select
import signal
import subprocess
import urllib.request
from pathlib import Path

from . import CannotRun

ROOT = Path(__file__).parents[3]
START = 60
FAREWELL = 10


def built(say) -> Path:
    """Builds the binary of this clone."""
    command = ["cargo", "build", "--release", "--package", "fake-arm", "--message-format", "json-render-diagnostics"]
    say(" ".join(command[:5]))
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise CannotRun(f"failed to run cargo: {error}; name a binary with --fake-arm") from error
    if done.returncode != 0:
        raise CannotRun("failed to build fake-arm; cargo says why above")
    for line in reversed(done.stdout.splitlines()):
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "fake-arm":
            return Path(message["executable"])
    raise CannotRun("cargo built no binary of the name fake-arm")


class FakeArm:
    """One fake Azure of its own, as a context."""

    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder = binary, folder

    def __enter__(self):
        flags = ["serve", "--port", "0", "--json", "--ca-out", str(self.folder / "ca.pem")]
        self.log = open(self.folder / "fake-arm.log", "w")
        # A group of its own: Ctrl-C reaches us first, and we end it.
        try:
            self.process = subprocess.Popen(
                [self.binary, *flags], stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True
            )
        except OSError as error:
            raise CannotRun(f"failed to start {self.binary}: {error}") from error
        try:
            self._greet()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _greet(self) -> None:
        ready, _, _ = select.select([self.process.stdout], [], [], START)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            said = (self.folder / "fake-arm.log").read_text().strip()
            raise CannotRun(f"{self.binary} did not come up within {START} s: {said}")
        told = json.loads(line)
        self.endpoint = told["endpoint"].rstrip("/")
        self.admin_endpoint = told["adminEndpoint"].rstrip("/")
        self.identity_endpoint = told["identityEndpoint"]
        self.ca, self.tenant, self.subscription = told["ca"], told["tenant"], told["subscription"]
        self.client_id, self.client_secret = told["clientId"], told["clientSecret"]

    def __exit__(self, *_):
        self.log.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process.stdout.close()

    def admin(self, path: str, body=None):
        """Asks the admin API. With a body: POST."""
        data = None if body is None else json.dumps(body).encode()
        # Never through a proxy: it is next door.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.admin_endpoint + path, data, timeout=60) as answer:
                return json.load(answer)
        except OSError as error:
            raise CannotRun(f"failed to ask the admin API of fake-arm for {path}: {error}") from error
