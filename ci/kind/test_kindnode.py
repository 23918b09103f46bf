"""Tests of what decides: python3 -m unittest discover ci/kind"""

import io
import json
import os
import subprocess
import tarfile
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from kindnode import Failed, archive, cache, dockerd, go, images, machine, node_image, oci_runtime, pins, proof
from kindnode import terminal
from kindnode.archive import Image, Tree


class Pins(unittest.TestCase):
    def test_every_component_is_pinned_with_checksums(self):
        for component in pins.ALL:
            self.assertRegex(component.version, r"^v\d+\.\d+\.\d+$")
            go_sum = (component.folder / "go.sum").read_text()
            self.assertIn(f"{component.module} {component.version} h1:", go_sum)

    def test_every_program_is_a_tool_of_its_pin(self):
        for component in pins.ALL:
            go_mod = (component.folder / "go.mod").read_text()
            for package in component.programs.values():
                self.assertRegex(go_mod, rf"(?m)^(tool\s+|\t){package}$")

    def test_a_key_differs_where_a_part_does(self):
        self.assertEqual(pins.key(["a", b"b"]), pins.key(["a", "b"]))
        self.assertNotEqual(pins.key(["ab"]), pins.key(["a", "b"]))
        self.assertEqual(len({component.key for component in pins.ALL}), len(pins.ALL))

    def test_a_version_is_the_required_one(self):
        go_mod = "module x\nrequire a.b/c v1.2.3\nrequire (\n\ta.b/c/d v2.0.0 // indirect\n)\nreplace a.b => x/y v9\n"
        self.assertEqual(pins.required(go_mod, "a.b/c"), "v1.2.3")
        self.assertEqual(pins.required(go_mod, "a.b/c/d"), "v2.0.0")
        with self.assertRaisesRegex(Failed, "do not require x/y"):
            pins.required(go_mod, "x/y")

    def test_only_what_needs_c_is_linked_with_it(self):
        self.assertEqual([component.name for component in pins.ALL if component.cgo], ["runc"])
        self.assertIn("gitVersion=v1.34.4", " ".join(pins.KUBERNETES.flags))


class Complaints(unittest.TestCase):
    def test_names_of_packages_are_told_from_complaints(self):
        self.assertTrue(go.is_package("k8s.io/api/core/v1"))
        for line in ("# k8s.io/api/core/v1", "go: downloading a v1", ""):
            self.assertFalse(go.is_package(line))

    def test_what_is_wrong_comes_with_what_to_do(self):
        for said, remedy in [
            ("go: a@v1: Get \"https://x\": dial tcp: lookup x: no such host", "GOPROXY"),
            ("verifying a@v1: checksum mismatch", "GOPROXY"),
            ("go: go.mod requires go >= 1.27 (running go 1.26)", "install the Go"),
            ("write /x: no space left on device", "CATNAP_CACHE"),
            ("/usr/bin/compile: signal: killed", "--jobs 1"),
            ("# pkg-config --cflags -- libseccomp", "Go said nothing"),
            ("Package 'libseccomp' was not found", "libseccomp-dev"),
        ]:
            self.assertIn(remedy, go.complaint(f"a/b\n# a/b\n{said}\n"))
        self.assertEqual(go.complaint("a/b\n# a/b\nx.go:1:2: undefined: y\n"), "x.go:1:2: undefined: y")


class Cache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patched = unittest.mock.patch.dict("os.environ", CATNAP_CACHE=folder.name)
        patched.start()
        self.addCleanup(patched.stop)
        silent = unittest.mock.patch.object(terminal, "say")
        silent.start()
        self.addCleanup(silent.stop)

    def make(self, key, text):
        return cache.made("step", key, "a step", lambda making, _: (making / "file").write_text(text)) / "file"

    def test_what_is_made_is_not_made_again(self):
        self.assertEqual(self.make("1", "first").read_text(), "first")
        self.assertEqual(self.make("1", "second").read_text(), "first")

    def test_another_key_takes_the_place_of_the_old_one(self):
        old, new = self.make("1", "first"), self.make("2", "second")
        self.assertEqual((old.exists(), new.read_text()), (False, "second"))

    def test_what_failed_halfway_is_made_anew(self):
        def fail(making, _):
            (making / "half").write_text("")
            raise Failed("no")

        with self.assertRaisesRegex(Failed, "no"):
            cache.made("step", "1", "a step", fail)
        self.assertFalse((self.make("1", "whole").parent / "half").exists())

    def test_a_cache_that_cannot_be_written_is_named_with_the_variable(self):
        with unittest.mock.patch.dict("os.environ", CATNAP_CACHE="/proc/catnap"):
            with self.assertRaisesRegex(Failed, "/proc/catnap.*CATNAP_CACHE"):
                self.make("1", "")


class Archives(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def layer(self, name, **files):
        tree = Tree()
        for path, content in files.items():
            tree.file(path, content)
        tree.write(self.folder / name)
        return self.folder / name

    def test_a_layer_has_the_folders_above_its_files_and_is_always_the_same(self):
        tree = Tree()
        tree.file("a/b/c", "text", 0o755)
        tree.link("a/link", "b/c")
        tree.folder("empty")
        tree.write(self.folder / "1")
        tree.write(self.folder / "2")
        self.assertEqual((self.folder / "1").read_bytes(), (self.folder / "2").read_bytes())
        with tarfile.open(self.folder / "1") as layer:
            entries = {entry.name: entry for entry in layer}
            self.assertEqual(sorted(entries), ["a", "a/b", "a/b/c", "a/link", "empty"])
            self.assertEqual((entries["a/b/c"].mode, entries["a/b/c"].uid), (0o755, 0))
            self.assertEqual(entries["a/link"].linkname, "b/c")
            self.assertTrue(entries["a/b"].isdir() and entries["empty"].isdir())

    def test_an_archive_names_each_image_with_its_layers(self):
        shared, own = self.layer("shared", x="1"), self.layer("own", y="2")
        written = io.BytesIO()
        two = [Image(("a:1", "a:2"), (shared,), ("/x",)), Image(("b:1",), (shared, own), ("/y",))]
        archive.write(two, "amd64", written)
        written.seek(0)
        with tarfile.open(fileobj=written) as told:
            names = told.getnames()
            manifest = json.load(told.extractfile("manifest.json"))
            configs = [json.load(told.extractfile(entry["Config"])) for entry in manifest]
        self.assertEqual([entry["RepoTags"] for entry in manifest], [["a:1", "a:2"], ["b:1"]])
        self.assertEqual(manifest[1]["Layers"], [f"{archive.digest(path)}/layer.tar" for path in (shared, own)])
        self.assertEqual(configs[1]["rootfs"]["diff_ids"][1], f"sha256:{archive.digest(own)}")
        self.assertEqual(len(names), len(set(names)))


class Nodes(unittest.TestCase):
    def test_the_image_is_called_after_its_kubernetes(self):
        self.assertEqual(node_image.tag(), "kindest/node:v1.34.4-catnap")

    def test_containers_start_without_the_right_to_lower_scores(self):
        told = node_image.configured("  restrict_oom_score_adj = false\n")
        self.assertEqual(told, "  restrict_oom_score_adj = true\n")
        with self.assertRaisesRegex(Failed, "restrict_oom_score_adj"):
            node_image.configured("version = 4\n")

    def test_the_base_of_containers_has_kinds_hook_and_no_limits(self):
        spec = node_image.hooked({"process": {"rlimits": [1]}})
        self.assertEqual(spec["process"], {})
        self.assertEqual(len(spec["hooks"]["createContainer"]), 1)

    def test_an_image_that_kubeadm_asks_for_and_nobody_makes_is_found(self):
        self.assertEqual(images.lacking("a:1\nb:2\n", [Image(("a:1", "c:3"), (), ())]), ["b:2"])


class Runtime(unittest.TestCase):
    def test_what_the_machine_withholds_is_read_from_its_bounding_set(self):
        self.assertEqual(oci_runtime.withheld("Name:\tx\nCapBnd:\t000001fffeffffff\n", 40), {"CAP_SYS_RESOURCE"})
        self.assertEqual(oci_runtime.withheld("CapBnd:\t000001ffffffffff\n", 40), set())
        # A kernel that knows fewer withholds none of the later ones.
        self.assertEqual(oci_runtime.withheld("CapBnd:\t0000003fffffffff\n", 37), set())

    def test_containers_and_execs_ask_for_no_more_than_there_is(self):
        capabilities = {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"], "ambient": None}
        wanted = {"bounding": ["CAP_KILL"], "ambient": []}
        config = oci_runtime.lowered({"process": {"capabilities": dict(capabilities)}}, {"CAP_SYS_RESOURCE"})
        self.assertEqual(config["process"]["capabilities"], wanted)
        process = oci_runtime.lowered({"capabilities": capabilities}, {"CAP_SYS_RESOURCE"})
        self.assertEqual(process["capabilities"], wanted)
        self.assertEqual(oci_runtime.lowered({"args": ["sh"]}, {"CAP_KILL"}), {"args": ["sh"]})

    def test_the_file_that_says_what_starts_is_found(self):
        base = ["--root", "/r", "--log", "/l"]
        for arguments, path in [
            ([*base, "create", "--bundle", "/b", "id"], "/b/config.json"),
            ([*base, "create", "--bundle=/b", "id"], "/b/config.json"),
            ([*base, "exec", "--process", "/p.json", "--detach", "id"], "/p.json"),
        ]:
            self.assertEqual(oci_runtime.described(arguments), Path(path))
        self.assertIsNone(oci_runtime.described([*base, "delete", "--force", "id"]))


BEFORE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
-A FORWARD -i eth9 -j DROP
COMMIT
"""
AFTER = """*nat
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -i br-0123456789ab -m comment --comment "two words" -j ACCEPT
-A FORWARD -i eth9 -j DROP
-A FORWARD -i eth8 -j DROP
-A DOCKER-USER -j RETURN
COMMIT
"""


class PuttingBack(unittest.TestCase):
    def test_rules_of_docker_go_and_those_of_others_stay(self):
        commands = [" ".join(command) for command in machine.undoing(AFTER, BEFORE)]
        self.assertEqual(
            commands,
            [
                "-t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
                "-t nat -D DOCKER -i docker0 -j RETURN",
                "-t filter -D FORWARD -j DOCKER-USER",
                "-t filter -D FORWARD -i br-0123456789ab -m comment --comment two words -j ACCEPT",
                "-t filter -D DOCKER-USER -j RETURN",
                "-t nat -F DOCKER",
                "-t nat -X DOCKER",
                "-t filter -F DOCKER-USER",
                "-t filter -X DOCKER-USER",
                "-t filter -P FORWARD ACCEPT",
            ],
        )

    def test_where_nothing_changed_there_is_nothing_to_do(self):
        self.assertEqual(machine.undoing(AFTER, AFTER), [])


class Proof(unittest.TestCase):
    def test_what_was_there_before_is_no_leftover(self):
        before = {"containers": ["theirs"], "volumes": []}
        now = {"containers": ["theirs", "ours"], "volumes": ["a"]}
        self.assertEqual(proof.leftovers(before, now), ["container ours", "volume a"])
        self.assertEqual(proof.leftovers(now, before), [])


class Dockerd(unittest.TestCase):
    def test_a_process_is_told_from_a_later_one_with_its_id(self):
        self.assertTrue(dockerd._started(os.getpid()))
        ended = subprocess.Popen(["true"])
        ended.wait()
        self.assertIsNone(dockerd._started(ended.pid))

    def test_the_last_error_of_a_log_is_its_cause(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            for text, cause in [
                ("level=info a\nfailed to start daemon: no\nlevel=info b\n", "failed to start daemon: no"),
                ("a\nb\n", "b"),
                ("", "it said nothing"),
            ]:
                log.write_text(text)
                self.assertEqual(dockerd._last_error(log), cause)


class Telling(unittest.TestCase):
    def test_times_are_told_in_minutes_where_they_are_long(self):
        told = [terminal.took(seconds) for seconds in (7.4, 59.6, 187)]
        self.assertEqual(told, ["7 s", "1 min 00 s", "3 min 07 s"])


if __name__ == "__main__":
    unittest.main()
