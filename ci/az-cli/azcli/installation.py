"""The Azure CLI: the real one, of one version, in an environment of its own below the cache folder."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import CannotRun, Skipped

VERSION = "2.91.0"
CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
# A mirror that hangs must not hang whoever waits for us.
PATIENCE = 1800


@dataclass(frozen=True)
class AzureCli:
    """An installed CLI; `python -m azure.cli` is what its script `az` does."""

    python: Path


def cache_folder() -> Path:
    if named := os.environ.get("CATNAP_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "catnap"


def installed(say) -> AzureCli:
    """The CLI in the cache, installed first where it is not there. Raises Skipped where it cannot be installed."""
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder() / "azure-cli" / f"{VERSION}-py{python_version}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_suffix(".lock"), "w")
    except OSError as error:
        raise CannotRun(f"failed to use the cache folder: {error}; name another one in CATNAP_CACHE") from error
    with lock:
        # Two runs must not install into one folder at a time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready, python = folder / "ready", folder / "bin" / "python"
        # The Python that it was made with may be gone since.
        if not (ready.exists() and python.exists()):
            say(f"installing azure-cli {VERSION} to {folder} (once, about 750 MB)")
            _install(folder)
            ready.touch()
    return AzureCli(python)


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [
        ("make an environment", [sys.executable, "-m", "venv", folder]),
        ("install it from PyPI", [*pip, "--constraint", CONSTRAINTS, f"azure-cli=={VERSION}"]),
    ]
    for what, command in steps:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Skipped(f"azure-cli {VERSION}: to {what} took more than {PATIENCE // 60} minutes") from error
        if done.returncode != 0:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            reason = next((line for line in reversed(lines) if "error" in line.lower()), "".join(lines[-1:]))
            raise Skipped(f"azure-cli {VERSION}: failed to {what}: {reason.strip()}")
