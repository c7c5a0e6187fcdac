"""What a layout is: how a folder of scans is recognised, and which cases its files make."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medseg.artifacts import Modality
from medseg.data.image import Image
from medseg.data.labels import Classes, Reference
from medseg.errors import DataError
from medseg.types import Geometry


@dataclass(frozen=True)
class Source:
    """A folder of raw scans.

    Attributes:
        root: local folder.
        files: relative paths of all regular files below it with ``/``, sorted.
        others: relative paths of what is neither a file nor a folder: pipes, devices, broken links.
    """

    root: Path
    files: tuple[str, ...]
    others: tuple[str, ...] = ()

    @classmethod
    def of_folder(cls, root: Path) -> Source:
        """List a folder; linked folders are followed, each once.

        Raises:
            DataError: no such folder, a folder in it cannot be listed, or it holds no file.
        """
        if not root.is_dir():
            problem = "is not a folder" if root.exists() else "no such folder"
            raise DataError(f"{root}: {problem}; dataset.source must be the folder that holds the scans")
        paths = sorted(path.relative_to(root).as_posix() for path in _walk(root))
        files = tuple(path for path in paths if (root / path).is_file())
        if not files:
            raise DataError(f"{root}: holds no file; dataset.source must be the folder that holds the scans")
        return cls(root, files, tuple(sorted(set(paths) - set(files))))

    def path(self, name: str) -> Path:
        return self.root / name

    def name(self, path: Path) -> str:
        """Relative path with ``/`` of a path made by ``path``."""
        return path.relative_to(self.root).as_posix()

    def inside(self, folder: str) -> list[str]:
        """File names directly in one folder of the source, hidden ones left out."""
        prefix = f"{folder}/"
        names = [file.removeprefix(prefix) for file in self.files if file.startswith(prefix)]
        return [name for name in names if "/" not in name and not name.startswith(".")]


def _walk(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: folder cannot be listed: {error.strerror}")

    visited: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        visited.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if os.path.realpath(Path(folder, name)) not in visited]
        for file in files:
            yield Path(folder, file)


@dataclass(frozen=True)
class SourceCase:
    """The files of one case.

    Attributes:
        split: ``train``, ``validation`` or ``test`` where the source says so, else empty.
        images: one file per channel, or one file with all channels, or the slices of one series.
        references: the file, or the DICOM SEG objects, that hold its classes.
    """

    case: str
    patient: str
    split: str
    images: tuple[Path, ...]
    references: tuple[Path, ...]


@dataclass(frozen=True)
class Rejection:
    """A file that is left out: a row of ``rejected.csv``, its path relative to the source."""

    path: str
    code: str
    reason: str


@dataclass
class Listing:
    """Everything that a layout found by names and headers, voxels unread.

    Attributes:
        metadata: relative paths that were read for what they say, e.g. ``dataset.json``.
        classes: class name to value in the references, where the source says so.
        channel_names: in the order of the channels, where the source says so.
        modality: where the source says so.
    """

    cases: list[SourceCase] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    classes: Classes | None = None
    channel_names: tuple[str, ...] | None = None
    modality: Modality | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """One way in which scans and references lie in folders.

    Attributes:
        name: the value of ``dataset.layout``.
        description: what such a folder looks like, in one line.
        recognise: why a source has this layout, or None where it has not.
        read: lists the cases; raises DataError where the source contradicts itself.
        load_image: reads a case's image for a modality.
        load_reference: reads a case's reference; its image lies on the given grid.
        find_classes: class name to value, for a listing whose source does not name its classes.
    """

    name: str
    description: str
    recognise: Callable[[Source], str | None]
    read: Callable[[Source], Listing]
    load_image: Callable[[SourceCase, Modality], Image]
    load_reference: Callable[[SourceCase, Geometry], Reference]
    find_classes: Callable[[Listing], Classes]
