"""Container images as archives that `docker load` and `ctr images import` read, made without Docker."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of all files: what is made twice is the same.
TIME = 0
CREATED = "1970-01-01T00:00:00Z"


@dataclass
class Tree:
    """What a layer holds, by path without a leading slash."""

    entries: dict = field(default_factory=dict)

    def file(self, path: str, content: bytes | str | Path, mode: int = 0o644) -> None:
        self.entries[path] = (content.encode() if isinstance(content, str) else content, mode)

    def program(self, path: str, content: Path) -> None:
        self.file(path, content, 0o755)

    def link(self, path: str, target: str) -> None:
        self.entries[path] = (Link(target), 0o777)

    def folder(self, path: str, mode: int = 0o755) -> None:
        self.entries[path] = (None, mode)

    def write(self, to: Path) -> None:
        """Writes the layer. Folders above an entry come with it, so that they are root's wherever it is unpacked."""
        folders = {str(above) for path in self.entries for above in Path(path).parents if str(above) != "."}
        entries = {**{path: (None, 0o755) for path in folders}, **self.entries}
        with tarfile.open(to, "w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(entries):
                _add(archive, path, *entries[path])


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Image:
    """Layers from the lowest to the highest, each an archive on disk, and how a container of them starts."""

    names: tuple
    layers: tuple
    entrypoint: tuple
    environment: tuple = (PATH,)
    stop_signal: str | None = None
    labels: dict = field(default_factory=dict)

    def config(self, digests: list[str], architecture: str) -> bytes:
        config = {"Env": list(self.environment), "Entrypoint": list(self.entrypoint), "Labels": self.labels}
        if self.stop_signal:
            config["StopSignal"] = self.stop_signal
        document = {
            "architecture": architecture,
            "os": "linux",
            "created": CREATED,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            "history": [{"created": CREATED, "created_by": "catnap ci/kind"} for _ in digests],
        }
        return json.dumps(document, indent=1).encode()


def write(images: list[Image], architecture: str, out) -> None:
    """Writes an archive of images to a file that need not be seekable. A layer that several have stands in it once."""
    digests, manifest = {}, []
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for image in images:
            for layer in image.layers:
                if layer not in digests:
                    digests[layer] = digest(layer)
                    _add(archive, f"{digests[layer]}/layer.tar", layer, 0o644)
            config = image.config([digests[layer] for layer in image.layers], architecture)
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(archive, name, config, 0o644)
            layers = [f"{digests[layer]}/layer.tar" for layer in image.layers]
            manifest.append({"Config": name, "RepoTags": list(image.names), "Layers": layers})
        _add(archive, "manifest.json", json.dumps(manifest).encode(), 0o644)


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, path: str, content, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode, entry.mtime = mode, TIME
    match content:
        case None:
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        case Link():
            entry.type, entry.linkname = tarfile.SYMTYPE, content.target
            archive.addfile(entry)
        case bytes():
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        case Path():
            entry.size = content.stat().st_size
            with open(content, "rb") as file:
                archive.addfile(entry, file)
