"""What a layout is: how a source is recognised, which cases its files make, and how they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medseg.artifacts import Modality, Task
from medseg.config import DatasetConfig
from medseg.data.deidentification.identities import Identities
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.image import Image
from medseg.data.labels import Classes, Reference
from medseg.data.source import Source
from medseg.types import Geometry


@dataclass(frozen=True)
class SourceCase:
    """The files of one case, as names below the source.

    Attributes:
        split: ``train``, ``validation`` or ``test`` where the source says so, else empty.
        images: one file per channel, or one file with all channels, or the slices of one volume.
        references: the files that hold its classes; none for classification and prediction.
        label: class of the whole image, for classification.
    """

    case: str
    patient: str
    split: str
    images: tuple[str, ...]
    references: tuple[str, ...] = ()
    label: str = ""


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
        cases: in a fixed order; may be iterated more than once, and need not be in memory.
        count: number of cases.
        metadata: names of files that were read for what they say, e.g. ``dataset.json``.
        rejected: files that make no case; as ``cases``.
        task: what the references are for.
        classes: class name to value in the references, or to number for classification, where the source says so.
        channel_names: in the order of the channels, where the source says so.
        modality: where the source says so.
    """

    cases: Iterable[SourceCase] = ()
    count: int = 0
    metadata: list[str] = field(default_factory=list)
    rejected: Iterable[Rejection] = ()
    task: Task = "segmentation"
    classes: Classes | None = None
    channel_names: tuple[str, ...] | None = None
    modality: Modality | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Loaded:
    """The image of a case, and what its files said besides.

    Attributes:
        facts: technical metadata from the whitelist.
        removed: what identifying attribute or text field was there, and what became of it, e.g.
            ``{"PatientName": "removed", "NIfTI descrip": "removed"}``; never their values.
        identities: their values, for the search through everything that is written of the case; never stored.
    """

    image: Image
    facts: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    identities: frozenset[str] = frozenset()


@dataclass
class Reading:
    """What listing a source may use.

    Attributes:
        identities: takes every identifying string that is met while listing.
        workers: processes to read headers with.
        catalog: SQLite file with what an earlier listing of this data set read; holds no identity and is kept.
        scratch: folder for files that go when the ingest ends.
    """

    pseudonyms: Pseudonyms
    identities: Identities
    workers: int
    catalog: Path
    scratch: Path


class Layout(ABC):
    """One way in which scans and references lie in folders; handed to other processes, so it must be picklable.

    Attributes:
        name: the value of ``dataset.layout``.
        description: what such a folder looks like, in one line.
    """

    name: str
    description: str

    def __init__(self, config: DatasetConfig) -> None:
        self.config = config

    @property
    def pseudonymous(self) -> bool:
        """Whether names of cases and patients are pseudonyms, which need a key."""
        return self.config.deidentify.key is not None

    def told_name(self, name: str, reading: Reading) -> str:
        """The name of a file as it may be written and logged: where names are pseudonyms, a digest and the ending."""
        if not self.pseudonymous:
            return name
        ending = "".join(Path(name).suffixes[-2:]) if name.endswith(".gz") else Path(name).suffix
        return f"file-{reading.pseudonyms.digest('name', name, length=12)}{ending}"

    @abstractmethod
    def recognise(self, source: Source) -> str | None:
        """Why a source has this layout, or None where it has not."""

    @abstractmethod
    def read(self, source: Source, reading: Reading) -> Listing:
        """List the cases.

        Raises:
            DataError: the source contradicts itself.
        """

    @abstractmethod
    def load_image(self, source: Source, case: SourceCase, modality: Modality) -> Loaded:
        """Read the image of a case.

        Raises:
            RejectedFileError: a file cannot be taken; its ``path`` is one that ``source.path`` gave.
        """

    @abstractmethod
    def load_reference(self, source: Source, case: SourceCase, grid: Geometry | None) -> Reference:
        """Read the reference of a case whose image lies on ``grid``; None where only its values are of interest.

        Raises:
            RejectedFileError: as ``load_image``.
        """
