"""Names of files become cases: images with their references by the patterns of a card, and what fits nowhere."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from medseg.data.layouts.card import UNNAMED, Card
from medseg.data.layouts.listing import Rejection, SourceCase
from medseg.data.layouts.names import DETACHED_VOXELS, case_name, voxel_file
from medseg.errors import DataError

Key = tuple[str, ...]


@dataclass
class Grouped:
    """What the names of a source come to.

    Attributes:
        classes: that names of files say.
        repeated: files that are the image of a case that has one already.
    """

    cases: list[SourceCase] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    repeated: int = 0

    def reject(self, names: Iterable[str], code: str, reason: str) -> None:
        self.rejected.extend(Rejection(name, code, reason) for name in names)


@dataclass
class _Drawn:
    """Reference files of one case: class to (place of the pattern in the card, file)."""

    by_class: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def files(self) -> list[str]:
        return [name for files in self.by_class.values() for _, name in files]

    @property
    def first_files(self) -> list[str]:
        return [files[0][1] for files in self.by_class.values()]


class Grouper:
    """Groups the names of one source.

    Args:
        card: says which names belong together.
    """

    def __init__(self, card: Card) -> None:
        self._card = card
        self._key_fields = sorted(card.reference_fields - {"class", "ext"})
        self._drawn: dict[Key, _Drawn] = defaultdict(_Drawn)
        self._uses: dict[str, dict[int, str]] = defaultdict(dict)
        self._voxels: set[str] = set()
        self._result = Grouped()

    def group(self, names: Iterable[str]) -> Grouped:
        """Cases in the order of their first image.

        Raises:
            DataError: two patterns that exclude each other both have files.
        """
        images = [name for name in names if not self._is_reference(name) and self._is_image(name)]
        self._refuse_two_kinds()
        owners: dict[Key, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        fields: dict[Key, Mapping[str, str]] = {}
        for name in images:
            found = self._read(name)
            owner = tuple(found.get(part) or "" for part in ("split", "patient", "class", "case"))
            fields.setdefault(owner, found)
            owners[owner][found.get("channel") or "0000"].append(name)
        taken: dict[str, str] = {}
        for owner, channels in owners.items():
            self._add(fields[owner], channels, taken)
        used = {self._key(found) for found in fields.values()}
        for key, drawn in self._drawn.items():
            if key not in used:
                self._result.reject(drawn.files, "image-missing", f"no image of this name by {self._card.images[0]}")
        return self._result

    def _is_reference(self, name: str) -> bool:
        for place, (class_name, pattern) in enumerate(self._card.reference_patterns):
            if (found := pattern.match(name)) is not None:
                class_name = found.get("class") or class_name
                self._uses[class_name].setdefault(place, pattern.text)
                self._drawn[self._key(found)].by_class[class_name].append((place, name))
                self._result.classes.update({class_name} - {UNNAMED})
                return True
        return False

    def _is_image(self, name: str) -> bool:
        if any(pattern.match(name) is not None for pattern in self._card.image_patterns):
            return True
        if name.lower().endswith(DETACHED_VOXELS):
            self._voxels.add(name)
        return False

    def _refuse_two_kinds(self) -> None:
        for used in self._uses.values():
            if len(used) > 1 and not self._card.merge:
                both = " and ".join(sorted(used.values()))
                raise DataError(
                    f"both {both} have files; leave the right ones in the source, or give a card with one of them"
                )

    def _key(self, found: Mapping[str, str]) -> Key:
        return tuple(found.get(part) or "" for part in self._key_fields)

    def _read(self, name: str) -> Mapping[str, str]:
        """What the first pattern says whose case has a reference, else the first that matches."""
        readings = [found for pattern in self._card.image_patterns if (found := pattern.match(name)) is not None]
        return next((found for found in readings if self._key(found) in self._drawn), readings[0])

    def _add(self, found: Mapping[str, str], channels: Mapping[str, list[str]], taken: dict[str, str]) -> None:
        """Make a case of one image, or list its files."""
        drawn = self._drawn.get(self._key(found), _Drawn()) if self._card.references else _Drawn()
        self._leave_repeated(channels, drawn)
        images = tuple(self._whole(channels[channel][0] for channel in self._ordered(channels)))
        references = tuple(self._whole(drawn.files if self._card.merge else drawn.first_files))
        case = _case(found)
        name = found.get("case") or case
        if taken.get(case, name) != name:  # another name became the same one, such as "Pat 1" and "Pat_1"
            case = f"{case}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"
        if fault := self._fault(channels, drawn, case in taken):
            self._result.reject((*images, *references), *fault)
            return
        taken[case] = name
        label = found.get("class") or ""
        self._result.classes.update({label} - {""})
        patient = found.get("patient") or case
        split = self._card.splits.get(found.get("split") or "", "")
        self._result.cases.append(SourceCase(case, patient, split, images, references, label))

    def _leave_repeated(self, channels: Mapping[str, list[str]], drawn: _Drawn) -> None:
        for _, *more in channels.values():
            self._result.repeated += len(more)
            self._result.reject(more, "duplicate-case", "another file is this image already")
        if not self._card.merge:
            more = [name for files in drawn.by_class.values() for _, name in files[1:]]
            self._result.reject(more, "duplicate-case", "another file is this reference already")

    def _ordered(self, channels: Mapping[str, list[str]]) -> list[str]:
        named = self._card.channels if isinstance(self._card.channels, tuple) else ()
        return [name for name in named if name in channels] if named else sorted(channels)

    def _fault(self, channels: Mapping[str, list[str]], drawn: _Drawn, taken: bool) -> tuple[str, str] | None:
        """Code and reason why the files of one image make no case."""
        if missing := self._missing(drawn):
            return "reference-missing", f"no reference of this name by {missing}"
        if taken:
            return "duplicate-case", "another input already has this name of a case"
        named = self._card.channels if isinstance(self._card.channels, tuple) else ()
        if named and "{channel}" in self._card.images[0] and set(channels) != set(named):
            return "channel-missing", f"has channels {', '.join(channels)}; need {', '.join(named)}"
        if not named and (numbers := sorted(map(int, channels))) != list(range(len(numbers))):
            return "channel-missing", f"has channels {numbers}; they must be 0, 1, 2 … without a gap"
        return None

    def _missing(self, drawn: _Drawn) -> str:
        """The pattern that a case lacks a file of; empty where it lacks none."""
        if "class" in self._card.reference_fields:
            return "" if drawn.by_class else next(iter(self._card.references.values()))[0]
        for place, (class_name, pattern) in enumerate(self._card.reference_patterns):
            places = {found for found, _ in drawn.by_class.get(class_name, ())}
            if not places or (self._card.merge and place not in places):
                used = () if self._card.merge else self._uses.get(class_name, {}).values()
                return next(iter(used), pattern.text)
        return ""

    def _whole(self, names: Iterable[str]) -> Iterator[str]:
        """Files, each with the one that holds its voxels where that is another."""
        for name in names:
            yield name
            yield from [other for other in voxel_file(name) if other in self._voxels][:1]


def _case(found: Mapping[str, str]) -> str:
    """A name of its own: the case's, after its patient's and class's where it does not begin with them."""
    case = found.get("case") or found.get("patient") or "case"
    for owner in (found.get("class"), found.get("patient")):
        if owner and not case.startswith(owner):
            case = f"{owner}_{case}"
    return case_name(case)
