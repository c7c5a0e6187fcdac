"""The files of one series sorted into volumes and pictures; what is damaged, doubled or incomplete is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from medseg.config import DatasetConfig
from medseg.data.dicom.catalog import File
from medseg.data.dicom.geometry import duplicates_at, gap_at, grid_step
from medseg.data.dicom.stacks import Member, Stack, discriminator, split_stacks
from medseg.errors import RejectedFileError

FEW_SLICES = 2
NO_DAMAGE = ("localizer", "multi-frame")  # such a file is refused, but its series lacks nothing


@dataclass(frozen=True)
class Found:
    """An image: the files of one volume in the order of their positions, one multi-frame file, or one picture.

    Attributes:
        parts: what tells it from other images of its series.
        slices: number of slices or frames; 0 for a picture.
    """

    files: tuple[File, ...]
    parts: tuple[str, ...]
    slices: int = 0

    @property
    def instances(self) -> set[str]:
        return {file.record.owner.instance for file in self.files} - {""}


@dataclass
class Sorted:
    """What became of the files of a series.

    Attributes:
        refused: name to code and reason; the first reason stays.
        left_out: volumes of multi-frame files whose other volumes are taken.
    """

    found: list[Found] = field(default_factory=list)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def refuse(self, file: File, code: str, reason: str) -> None:
        self.refused.setdefault(file.name, (code, reason))

    def refuse_all(self, files: Sequence[File], faulty: Sequence[File], code: str, reason: str) -> None:
        """Refuse files together for what is wrong with some of them."""
        for file in faulty:
            self.refuse(file, code, reason)
        for file in files:
            self.refuse(file, "case-rejected", f"{faulty[0]} of the same series is {code}")


def sort_series(files: Sequence[File], config: DatasetConfig) -> Sorted:
    """Sort the images of one series.

    An archive may hold a series more than once. Where instances lie in several folders, every folder is looked at by
    itself, and of volumes that share instances the largest, then the first by name, is taken.
    """
    result = Sorted()
    slices = [file for file in files if file.record.kind == "slice"]
    folders = _copies(slices)
    found = [volume for unit in folders for volume in _volumes(unit, config, result)]
    taken: set[str] = set()
    for volume in sorted(found, key=lambda volume: (-len(volume.files), volume.files[0].name)):
        if len(folders) > 1 and taken & volume.instances:
            for file in volume.files:
                result.refuse(file, "duplicate-instance", "its series is taken from another folder, which holds it too")
            continue
        taken |= volume.instances
        result.found.append(volume)
    for file in _once([file for file in files if file.record.kind != "slice"], result):
        _single(file, config, result)
    return result


def _copies(slices: Sequence[File]) -> list[list[File]]:
    """The slices folder by folder where one instance lies in several of them, else all together."""
    places: dict[str, set[str]] = defaultdict(set)
    folders: dict[str, list[File]] = defaultdict(list)
    for file in slices:
        places[file.record.owner.instance or file.key].add(file.folder)
        folders[file.folder].append(file)
    if any(len(found) > 1 for found in places.values()):
        return list(folders.values())
    return [list(slices)] if slices else []


def _once(files: Sequence[File], result: Sorted) -> Iterator[File]:
    """Every good file once; damaged ones and further copies of an instance are refused."""
    seen: dict[object, File] = {}
    for file in files:
        record = file.record
        if record.code:
            result.refuse(file, record.code, record.reason)
            continue
        same = (record.owner.instance, record.planes) if record.owner.instance else file.key
        if same in seen:
            result.refuse(file, "duplicate-instance", f"is the same instance as {seen[same]}")
            continue
        seen[same] = file
        yield file


def _volumes(files: Sequence[File], config: DatasetConfig, result: Sorted) -> Iterator[Found]:
    good = list(_once(files, result))
    there = {file.record.owner.instance for file in good}
    damaged = [
        file
        for file in files
        if file.record.code and file.record.code not in NO_DAMAGE and file.record.owner.instance not in there
    ]
    if damaged:
        result.refuse_all(good, damaged[:1], damaged[0].record.code, damaged[0].record.reason)
        return
    members = [Member(number, file.record.planes[0]) for number, file in enumerate(good)]
    for stack in split_stacks(members, config.tolerances):
        chosen = [good[member.number] for member in stack]
        if _is_trusted(stack, chosen, config, result):
            yield Found(tuple(chosen), discriminator(stack), len(chosen))


def _is_trusted(stack: Stack, files: Sequence[File], config: DatasetConfig, result: Sorted) -> bool:
    burned_in = [file for file in files if file.record.burned_in]
    if burned_in and not config.deidentify.mask_regions:
        result.refuse_all(files, burned_in, "burned-in-text", burned_in[0].record.burned_in)
        return False
    if len({file.record.owner.patient for file in files}) > 1:
        result.refuse_all(files, files, "mixed-patients", "slices of one series name different patients")
        return False
    planes = [member.plane for member in stack]
    try:
        grid_step(planes, config.tolerances)
    except RejectedFileError as error:
        faulty, reason = list(files), error.reason
        if error.code == "duplicate-slice":
            faulty = [files[number] for number in duplicates_at(planes, config.tolerances)]
            reason = f"{reason}: {', '.join(map(str, faulty[:4]))}"
        elif error.code == "slice-gap":
            at = gap_at(planes)
            reason = f"{reason}: between {files[at]} and {files[at + 1]}"
        result.refuse_all(files, faulty, error.code, reason)
        return False
    return True


def _single(file: File, config: DatasetConfig, result: Sorted) -> None:
    """A picture, or a multi-frame file with its volumes."""
    record = file.record
    if record.burned_in and not config.deidentify.mask_regions:
        result.refuse(file, "burned-in-text", record.burned_in)
        return
    if record.kind == "picture":
        result.found.append(Found((file,), ("picture", record.owner.instance or file.key)))
        return
    members = [Member(number, plane) for number, plane in enumerate(record.planes)]
    reasons: list[tuple[str, str]] = []
    stacks = split_stacks(members, config.tolerances)
    for stack in stacks:
        try:
            grid_step([plane for _, plane in stack], config.tolerances)
        except RejectedFileError as error:
            reasons.append((error.code, error.reason))
        else:
            result.found.append(Found((file,), (record.owner.instance, *discriminator(stack)), len(stack)))
    if len(reasons) == len(stacks):
        result.refuse(file, *reasons[0])
    else:
        result.left_out.extend(f"a volume of a multi-frame object is left out: {reason}" for _, reason in reasons)
