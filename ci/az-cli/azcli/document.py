"""The documents' commands as data: one TOML file a document. README.md beside them says what a file may hold."""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import CannotRun

FOLDER = Path(__file__).parent.parent / "documents"

# Where the command of a step comes from.
ORIGINS = {
    "printed": "as printed",
    "corrected": "printed, with a correction",
    "stated": "not printed: a sentence of the document as a command",
    "setup": "not in the document: what its reader has already",
}


@dataclass
class Check:
    """A command and what must come of it."""

    run: str
    exit: int = 0
    json: dict = field(default_factory=dict)
    stdout: str | None = None
    stderr: str | None = None
    variables: dict = field(default_factory=dict)
    # The client id of whoever runs it, where that is not the subscription's owner.
    identity: str | None = None


@dataclass
class Step(Check):
    """One command of a document, with the looks at the outcome that belong to it."""

    section: str = ""
    origin: str = "printed"
    note: str = ""
    claims: list = field(default_factory=list)
    # What the document leaves to its reader, such as <cluster-rg>, and what is put there.
    placeholders: dict = field(default_factory=dict)
    # Moves the fake's time on before the command: what the document says takes minutes.
    advance: str | None = None
    # Why it cannot run.
    skip: str | None = None
    # Files that the document shows, by name, in the folder in which the commands run.
    files: dict = field(default_factory=dict)
    after: list = field(default_factory=list)

    @property
    def filled(self) -> str:
        """The commands as they are run."""
        text = self.run
        for printed, value in self.placeholders.items():
            text = text.replace(printed, value)
        return text

    @property
    def command(self) -> str:
        """The first command without its variables and comments, for one line of output."""
        lines = [line.strip() for line in self.run.splitlines() if line.strip() and not line.strip().startswith("#")]
        text = " ".join(line.rstrip("\\").strip() for line in lines)
        found = re.search(r"\baz .*", text)
        return found.group(0) if found else text


@dataclass
class Document:
    name: str
    title: str
    edition: str
    variables: dict
    steps: list


def read_all(pattern: str | None = None) -> list[Document]:
    """All documents, or those whose name holds the pattern."""
    documents = [_read(path) for path in sorted(FOLDER.glob("*.toml"))]
    chosen = [document for document in documents if pattern is None or pattern in document.name]
    if not chosen:
        names = ", ".join(document.name for document in documents)
        raise CannotRun(f"no document is called {pattern!r}; there are: {names}")
    return chosen


def _read(path: Path) -> Document:
    try:
        told = tomllib.loads(path.read_text())
        steps = [_step(entry) for entry in told.pop("step")]
        return Document(path.stem, told.pop("title"), told.pop("edition"), told.pop("variables", {}), steps)
    except (tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise CannotRun(f"failed to read {path}: {error}") from error


def _step(entry: dict) -> Step:
    after = [Check(**check) for check in entry.pop("after", [])]
    step = Step(**entry, after=after)
    if step.origin not in ORIGINS:
        raise ValueError(f"unknown origin {step.origin!r} in {step.section!r}")
    for placeholder in step.placeholders:
        if placeholder not in step.run:
            raise ValueError(f"no {placeholder} in {step.run.strip()!r}")
    for check in [step, *after]:
        if check.exit != 0 and not check.stderr:
            raise ValueError(f"a refusal without the text of its error: {check.run.strip()!r}")
    return step


def missing(documents: list[Document], pages: list[Path]) -> list[str]:
    """The az commands in code blocks of the pages that no step has as printed."""
    steps = [step for document in documents for step in document.steps if step.origin == "printed"]
    known = Counter(command for step in steps for command in _commands(step.run))
    lacking = []
    for page in pages:
        for command in _commands("\n".join(_code(page.read_text()))):
            # What is printed twice needs two steps.
            if known[command] == 0:
                lacking.append(f"{page.name}: {command}")
            known[command] -= 1
    return lacking


def _code(markdown: str) -> list[str]:
    """The lines between fences."""
    inside, lines = False, []
    for line in markdown.splitlines():
        if line.strip().startswith("```"):
            inside = not inside
        elif inside:
            lines.append(line)
    return lines


def _commands(script: str) -> list[str]:
    """Each az command of a script with one blank between its words."""
    joined = re.sub(r"\\\s*\n", " ", script)
    found = []
    for line in joined.splitlines():
        if match := re.search(r"(?:^|\$\()\s*(az\s.*)", line):
            found.append(" ".join(match.group(1).split()))
    return found
