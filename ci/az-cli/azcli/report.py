"""What came of it: lines on the terminal, a page for people, a file for CI systems."""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from .document import ORIGINS, Document
from .execution import Result
from .installation import VERSION

ILLEGAL_IN_XML = {code: None for code in range(32) if chr(code) not in "\t\n\r"}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def line(document: Document, result: Result) -> str:
    """A result on the terminal: one line, and where it failed what was expected and what was seen."""
    word = {"passed": "PASS", "failed": "FAIL", "skipped": "SKIP"}[result.status]
    lines = [f"{word} {result.seconds:6.1f}s  {document.name.split('-')[0]}  {_short(result.step.command)}"]
    if result.step.skip:
        lines.append(f"      {result.step.skip}")
    if result.status == "failed":
        lines += [f"      {text}" for text in explanation(result)]
    return "\n".join(lines)


def explanation(result: Result) -> list[str]:
    """Everything that a failure's cause may be found in."""
    lines = []
    for run, verdict in result.failures:
        lines += [f"command:  {run.splitlines()[-1] if run != result.step.run.strip() else _short(result.step.command)}"]
        lines += [f"expected: {verdict.expected}", f"    seen: {verdict.seen}"]
    return lines + [f" request: {request}" for request in result.requests]


def _short(text: str, width: int = 110) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def counts(results: list[Result]) -> str:
    number = Counter(result.status for result in results)
    return f"{number['passed']} passed, {number['failed']} failed, {number['skipped']} skipped"


def page(done: list[tuple[Document, list[Result]]]) -> str:
    """The report: the same text for the same outcome, so that it can be kept beside the commands."""
    every = [result for _, results in done for result in results]
    lines = [
        "# The Azure CLI against fake-arm",
        "",
        f"azure-cli {VERSION} from PyPI, unchanged, ran the az commands of five documents of Microsoft's against",
        f"`fake-arm serve`: **{counts(every)}**. Written by `ci/az-cli/run`; the commands and what is expected of them",
        "are in [`documents/`](documents), one file a document.",
        "",
        "Commands are *as printed* in the document, *corrected* where the printed one cannot work (which is shown",
        "first), or *stated*: a sentence of the document as a command. *Setup* is what the document's reader has",
        "already. *Skipped* commands say why. Lines below a command say what was expected of it; those with a command of their own, what a look",
        "at the outcome had to show.",
        "",
        "| document | as printed | corrected | stated | setup | failed | skipped |",
        "|---|---|---|---|---|---|---|",
    ]
    for document, results in done:
        origins = Counter(result.step.origin for result in results if result.status != "skipped")
        status = Counter(result.status for result in results)
        cells = [*(origins[origin] for origin in ORIGINS), status["failed"], status["skipped"]]
        lines.append(f"| {document.title} | {' | '.join(str(cell) for cell in cells)} |")
    for document, results in done:
        lines += ["", f"## {document.title}", "", f"Edition: {document.edition}."]
        section = None
        for result in results:
            if result.step.section != section:
                section = result.step.section
                lines += ["", f"### {section}"]
            lines += ["", *_entry(result)]
    return "\n".join(lines) + "\n"


def _entry(result: Result) -> list[str]:
    step = result.step
    claims = f" ({', '.join(step.claims)})" if step.claims else ""
    lines = [f"**{result.status}**, {ORIGINS[step.origin]}{claims}"]
    lines += ["", f"{step.note}"] if step.note else []
    lines += ["", "```sh", step.run.strip(), "```"]
    filled = ", ".join(f"`{printed}` is `{value}`" for printed, value in step.placeholders.items())
    lines += ["", f"with {filled}"] if filled else []
    lines += ["", f"Skipped: {step.skip}"] if step.skip else [""]
    for index, (run, verdicts) in enumerate(result.checks):
        own = run == step.run.strip()
        indent = "" if own else "  "
        if not own:
            who = f", as the client `{step.after[index - 1].identity}`" if step.after[index - 1].identity else ""
            lines.append(f"- `` {' '.join(run.split())} ``{who}")
        lines += [f"{indent}- {_sentence(verdict)}" for verdict in verdicts]
    return lines


def _sentence(verdict) -> str:
    return verdict.expected if verdict.seen is None else f"**not so:** {verdict.expected}; seen: {verdict.seen}"


def junit(done: list[tuple[Document, list[Result]]], file: Path) -> None:
    """One test suite a document, one case a command."""
    root = ElementTree.Element("testsuites", name="az-cli")
    for document, results in done:
        number = Counter(result.status for result in results)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=document.name,
            tests=str(len(results)),
            failures=str(number["failed"]),
            skipped=str(number["skipped"]),
            time=f"{sum(result.seconds for result in results):.3f}",
        )
        for index, result in enumerate(results, 1):
            name = f"{index:02} {result.step.section}: {_short(result.step.command)}".translate(ILLEGAL_IN_XML)
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"az-cli.{document.name}", name=name, time=f"{result.seconds:.3f}"
            )
            if result.step.skip:
                ElementTree.SubElement(case, "skipped", message=result.step.skip)
            elif result.status == "failed":
                text = "\n".join(explanation(result)).translate(ILLEGAL_IN_XML)
                ElementTree.SubElement(case, "failure", message=text.splitlines()[1].strip()).text = text
    file.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
