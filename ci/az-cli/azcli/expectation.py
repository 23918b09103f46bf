"""What must come of a command, and whether it did. Values in, sentences out."""

import json
import re
from dataclasses import dataclass
from string import Template

# Errors of the CLI itself that no document states.
CRASH = "Traceback (most recent call last)"


@dataclass
class Outcome:
    """What a command left behind."""

    exit: int
    stdout: str
    stderr: str
    variables: dict

    @property
    def error(self) -> str:
        """The line in which the CLI, or the shell, says what is wrong."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        return next((line for line in lines if line.startswith("ERROR") or "error:" in line), "".join(lines[-1:]))


@dataclass
class Verdict:
    """One thing that was expected."""

    expected: str
    # What was seen instead; None: it holds.
    seen: str | None = None


def judge(check, outcome: Outcome) -> list[Verdict]:
    """Holds an outcome against what a check expects."""
    verdicts = [_exit(check, outcome)]
    if CRASH in outcome.stderr:
        verdicts.append(Verdict("no crash of the CLI", outcome.stderr.splitlines()[-1]))
    if check.stderr is not None:
        verdicts.append(_text("error output", check.stderr, outcome.stderr, outcome.variables))
    if check.stdout is not None:
        verdicts.append(_text("output", check.stdout, outcome.stdout, outcome.variables))
    for name, expected in check.variables.items():
        verdicts.append(_value(f"${name}", expected, outcome.variables.get(name), outcome.variables))
    if check.json and outcome.exit == 0:
        verdicts += _answer(check.json, outcome)
    return verdicts


def _exit(check, outcome: Outcome) -> Verdict:
    expected = "exit status 0" if check.exit == 0 else f"refused: exit status {check.exit}"
    if outcome.exit == check.exit:
        return Verdict(expected)
    return Verdict(expected, f"exit status {outcome.exit}" + (f": {outcome.error}" if outcome.error else ""))


def _text(what: str, pattern: str, text: str, variables: dict) -> Verdict:
    expected = f"{what} matches `{pattern}`"
    filled = Template(pattern).safe_substitute({name: re.escape(value) for name, value in variables.items()})
    if re.search(filled, text, re.MULTILINE):
        return Verdict(expected)
    return Verdict(expected, " / ".join(text.split("\n")).strip()[:2000] or "nothing")


def _answer(expected: dict, outcome: Outcome) -> list[Verdict]:
    try:
        answer = json.loads(outcome.stdout)
    except json.JSONDecodeError as error:
        return [Verdict("JSON on the output", f"{error}: {outcome.stdout[:200]!r}")]
    return [_value(path, value, at(answer, path), outcome.variables) for path, value in expected.items()]


def at(answer, path: str):
    """What is at a path such as `agentPoolProfiles.0.count`; None where nothing is."""
    for part in path.split(".") if path else []:
        if isinstance(answer, list):
            answer = answer[int(part)] if part.isdigit() and int(part) < len(answer) else None
        elif isinstance(answer, dict):
            answer = answer.get(part)
        else:
            return None
    return answer


def _value(path: str, expected, seen, variables: dict) -> Verdict:
    words, holds = _compare(expected, seen, variables)
    name = f"`{path}`" if path else "the answer"
    return Verdict(f"{name} {words}", None if holds else json.dumps(seen))


def _compare(expected, seen, variables: dict) -> tuple[str, bool]:
    match expected:
        case {"like": pattern}:
            return f"matches `{pattern}`", isinstance(seen, str) and re.search(pattern, seen) is not None
        case {"count": number}:
            return f"has {number} entries", isinstance(seen, list) and len(seen) == number
        case {"has": entry}:
            return f"has {_shown(entry)}", isinstance(seen, list) and _filled(entry, variables) in seen
        case {"given": True}:
            return "is given", seen not in (None, "", [], {})
        case {"given": False}:
            return "is not given", seen in (None, "", [], {})
        case _:
            return f"is {_shown(expected)}", seen == _filled(expected, variables)


def _shown(value) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _filled(value, variables: dict):
    match value:
        case str():
            return Template(value).safe_substitute(variables)
        case list():
            return [_filled(entry, variables) for entry in value]
        case dict():
            return {key: _filled(entry, variables) for key, entry in value.items()}
        case _:
            return value
