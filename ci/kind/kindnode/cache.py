"""The cache folder: what a step has made is kept under a key of all that it was made from, and not made again.

    kind/<step>/<key>/       complete; never changed after it appeared
    kind/<step>/making/      in the making, or left over from a run that was cut off
    kind/locks/<step>        locked while the step is made
    kind/logs/<step>.log     what the programs said that made it last
"""

import fcntl
import os
import shutil
from pathlib import Path

from . import Failed, terminal


def folder() -> Path:
    """CATNAP_CACHE, else ~/.cache/catnap, as everywhere in this repository; of that the part that is ours."""
    if named := os.environ.get("CATNAP_CACHE"):
        return Path(named).absolute() / "kind"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "catnap" / "kind"


def log(name: str) -> Path:
    """Where the output of a step's programs goes."""
    path = folder() / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def made(name: str, key: str, title: str, make) -> Path:
    """The folder that a step has filled, now or earlier. `make(folder, step)` fills it."""
    place = folder() / name / key
    if place.is_dir():
        return place
    try:
        (folder() / "locks").mkdir(parents=True, exist_ok=True)
        lock = open(folder() / "locks" / name, "w")
    except OSError as error:
        raise Failed(f"failed to use the cache folder: {error}; name another one in CATNAP_CACHE") from error
    with lock:
        # Two runs must not make one thing at a time; the second finds it made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            return place
        making = place.with_name("making")
        shutil.rmtree(making, ignore_errors=True)
        with terminal.Step(title) as step:
            try:
                making.mkdir(parents=True)
                make(making, step)
                making.rename(place)
            except OSError as error:
                raise Failed(
                    f"{title} failed in {making}: {error}; make room there, or name another folder in CATNAP_CACHE"
                ) from error
        _drop_others(place)
    return place


def _drop_others(place: Path) -> None:
    """Removes what was made from other pins: it is large, and nothing asks for it any more."""
    for other in place.parent.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
