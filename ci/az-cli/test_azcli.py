"""Tests of what decides: python3 -m unittest discover ci/az-cli"""

import json
import tempfile
import unittest
from pathlib import Path

from azcli import CannotRun, document, expectation, report
from azcli.document import Check, Document, Step
from azcli.execution import Result
from azcli.expectation import Outcome, Verdict, judge


def outcome(exit=0, stdout="", stderr="", **variables):
    return Outcome(exit, stdout, stderr, variables)


def failures(check, seen):
    return [verdict for verdict in judge(check, seen) if verdict.seen is not None]


class Expectations(unittest.TestCase):
    def test_an_answer_is_held_against_each_path(self):
        answer = json.dumps({"pools": [{"count": 3}], "mode": "Auto", "none": None})
        good = {"pools.0.count": 3, "mode": "Auto", "pools": {"count": 1}, "none": {"given": False}}
        self.assertEqual(failures(Check("az", json=good), outcome(stdout=answer)), [])
        for path, value in [
            ("pools.0.count", 4),
            ("pools.1.count", 3),
            ("mode", "auto"),
            ("mode", {"like": "^Man"}),
            ("pools", {"count": 2}),
            ("none", {"given": True}),
            ("mode.deeper", 1),
        ]:
            self.assertEqual(len(failures(Check("az", json={path: value}), outcome(stdout=answer))), 1, path)

    def test_variables_are_filled_in(self):
        seen = outcome(stdout='"/subscriptions/s/x"', ID="/subscriptions/s/x")
        self.assertEqual(failures(Check("az", json={"": "$ID"}, variables={"ID": {"like": "x$"}}), seen), [])
        # Filled into an expression, a dot is a dot.
        self.assertEqual(len(failures(Check("az", stdout="^$ID$"), outcome(stdout="a-b", ID="a.b"))), 1)

    def test_a_refusal_must_be_the_right_one(self):
        refused = Check("az", exit=1, stderr=r"\(ServiceCidrOverlap\)")
        self.assertEqual(failures(refused, outcome(1, stderr="ERROR: (ServiceCidrOverlap) …")), [])
        self.assertEqual(len(failures(refused, outcome(1, stderr="ERROR: (Other) …"))), 1)
        self.assertEqual(len(failures(refused, outcome(0))), 2)

    def test_a_crash_of_the_cli_is_never_expected(self):
        crashed = outcome(1, stderr=f"{expectation.CRASH}:\nKeyError: 'x'")
        self.assertEqual(len(failures(Check("az", exit=1, stderr="KeyError"), crashed)), 1)

    def test_no_json_is_a_failure_and_not_an_error(self):
        self.assertEqual(len(failures(Check("az", json={"a": 1}), outcome(stdout="")), ), 1)


class Documents(unittest.TestCase):
    def test_every_file_can_be_read(self):
        self.assertGreaterEqual(len(document.read_all()), 5)
        with self.assertRaises(CannotRun):
            document.read_all("no such document")

    def test_a_step_with_a_word_that_nobody_knows_is_refused(self):
        for step in ({"ran": "az"}, {"run": "az", "origin": "own"}, {"run": "az", "exit": 1}):
            with self.assertRaises((TypeError, ValueError)):
                document._step(step)

    def test_a_printed_command_without_a_step_is_found(self):
        known = Document("d", "", "", {}, [Step("az a \\\n  --b c\n"), Step("az corrected", origin="corrected")])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("az prose\n```bash\naz a --b \\\n c\nX=$(az a --b c)\naz corrected\n```\n")
            self.assertEqual(document.missing([known], [page]), ["page.md: az a --b c)", "page.md: az corrected"])


class Reports(unittest.TestCase):
    def test_a_failure_is_told_everywhere(self):
        result = Result(Step("az a", section="S"), checks=[("az a", [Verdict("exit status 0", "exit status 1: \x1b")])])
        done = [(Document("d", "Title", "1", {}, []), [result])]
        self.assertIn("**not so:** exit status 0", report.page(done))
        self.assertIn("seen: exit status 1", report.line(done[0][0], result))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "new" / "TEST-az-cli.xml"
            report.junit(done, file)
            self.assertIn("<failure", file.read_text())


if __name__ == "__main__":
    unittest.main()
