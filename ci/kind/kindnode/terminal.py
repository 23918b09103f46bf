"""What is told while something is made: one line for each step, and how far it is."""

import sys
import time

# Where nobody watches a line change, one is written this often.
INTERVAL = 30


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def took(seconds: float) -> str:
    """`7 s`, `3 min 07 s`."""
    seconds = round(seconds)
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60:02} s"


class Step:
    """One step, as a context: `… done in 7 s`."""

    def __init__(self, title: str):
        self.title = title

    def __enter__(self):
        self.started = self.told = time.monotonic()
        self.live = sys.stderr.isatty()
        self._write(f"{self.title} …")
        return self

    def progress(self, text: str) -> None:
        """How far it is. Told at once on a terminal, else now and then."""
        now = time.monotonic()
        if now - self.told >= (0.2 if self.live else INTERVAL):
            self.told = now
            self._write(f"{self.title}: {text}, {took(now - self.started)}")

    def __exit__(self, kind, *_):
        if kind is None:
            self._write(f"{self.title}: done in {took(time.monotonic() - self.started)}")
        if self.live:
            print(file=sys.stderr, flush=True)

    def _write(self, line: str) -> None:
        if self.live:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            say(line)
