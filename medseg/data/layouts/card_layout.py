"""A layout that a card describes: recognised, listed and read by what the card says."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from medseg.artifacts import Modality
from medseg.config import DatasetConfig
from medseg.data.formats.colours import read_colour_mask
from medseg.data.labels import Reference, checked_classes
from medseg.data.layouts.card import UNNAMED, Card, TableCard
from medseg.data.layouts.cases_csv import split_of
from medseg.data.layouts.combining import by_class, merged
from medseg.data.layouts.dataset_json import describe
from medseg.data.layouts.files import read_images, read_reference
from medseg.data.layouts.grouping import Grouped, Grouper
from medseg.data.layouts.listing import Layout, Listing, Loaded, Reading, SourceCase
from medseg.data.layouts.names import is_image
from medseg.data.layouts.pseudonymous import pseudonymous_cases
from medseg.data.layouts.table import Row, read_table
from medseg.data.source import GLIMPSE, Source
from medseg.errors import DataError
from medseg.types import Geometry

_NO_CLASS = ("image", "img", "label", "mask", "seg", "annot", "reference", "train", "test", "val", "raw", "scan")


class CardLayout(Layout):
    """Cases by the patterns of a card."""

    def __init__(self, config: DatasetConfig, card: Card) -> None:
        super().__init__(config)
        self.card = card
        self.name = card.name
        self.description = card.description

    def recognise(self, source: Source) -> str | None:
        """What the source holds, if its first files make whole cases."""
        card = self.card
        if card.table and card.table.file not in source.glimpse:
            return None
        try:
            grouped = Grouper(card).group(source.glimpse)
        except DataError:
            return f"found {card.found}" if card.found else None
        if not grouped.cases or grouped.repeated > len(grouped.cases):
            return None
        if not card.references and not self._all_are_cases(source, grouped):
            return None
        found = card.found or f"files as in {card.images[0]}"
        return f"found {found}, such as {grouped.cases[0].images[0]}"

    def _all_are_cases(self, source: Source, grouped: Grouped) -> bool:
        """Without references nothing but the names tells images from masks: every image must be one of a case."""
        images = [name for name in source.glimpse if is_image(name)]
        if len(source.glimpse) == GLIMPSE or len(images) != sum(len(case.images) for case in grouped.cases):
            return False
        if self.card.task == "prediction" or self.card.table:
            return True
        repeated = Counter(name.rpartition("/")[2] for name in images)
        odd = any(word in name.lower() for name in grouped.classes for word in _NO_CLASS)
        return len(grouped.classes) > 1 and not odd and max(repeated.values()) == 1

    def read(self, source: Source, reading: Reading) -> Listing:
        """List the cases.

        Raises:
            DataError: no file is named as the card says, or a table or ``dataset.json`` is faulty.
        """
        grouped = Grouper(self.card).group(source.names())
        if not grouped.cases and not grouped.rejected:
            patterns = ", ".join((*self.card.images, *(pattern.text for _, pattern in self.card.reference_patterns)))
            raise DataError(f"{source}: not the layout {self.name!r}: no file is named as {patterns}")
        listing = self._described(source)
        if table := self.card.table:
            _apply_table(source, table, grouped, listing)
        listing.cases, listing.rejected = grouped.cases, grouped.rejected
        listing.count = len(grouped.cases)
        listing.task = self.card.task
        listing.classes = listing.classes or self._classes(grouped)
        if self.card.modality != "auto":
            listing.modality = self.card.modality
        if isinstance(self.card.channels, tuple):
            listing.channel_names = self.card.channels
        return self._pseudonymised(listing, reading) if self.pseudonymous else listing

    def _pseudonymised(self, listing: Listing, reading: Reading) -> Listing:
        return replace(listing, cases=list(pseudonymous_cases(listing.cases, reading)))

    def _described(self, source: Source) -> Listing:
        listing = describe(source) if self.card.dataset_json else Listing()
        if self.card.colours:
            listing.warnings.append("references are drawn in colours: every pixel is taken as the class of the nearest")
        return listing

    def _classes(self, grouped: Grouped) -> dict[str, int] | None:
        card = self.card
        if card.task == "classification":
            return {name: value for value, name in enumerate(sorted(grouped.classes))}
        if card.classes:
            return checked_classes(card.classes, "classes of the layout card")
        named = list(card.colours or ()) or [name for name in card.references if name] or sorted(grouped.classes)
        return {name: value for value, name in enumerate(named, start=1)} or None

    def load_image(self, source: Source, case: SourceCase, modality: Modality) -> Loaded:
        """Read one file per channel, or one file with all channels."""
        paths = [source.path(name) for name in case.images]
        return read_images(paths, modality, self.card.channels == "fourth-axis", self.config.tolerances)

    def load_reference(self, source: Source, case: SourceCase, grid: Geometry | None) -> Reference:
        """Read the references of a case, which carry their own grid."""
        paths = [source.path(name) for name in case.references]
        if self.card.names_classes:
            return by_class(self._by_class(case, paths), self.config.overlap)
        if self.card.colours:
            return self._coloured(paths[0])
        return merged(paths) if self.card.merge else read_reference(*paths)

    def _coloured(self, path: Path) -> Reference:
        colours = self.card.colours or {}
        names = {name: value for value, name in enumerate(colours, start=1)}
        return Reference(read_colour_mask(path, colours, self.card.colour_tolerance), names=names)

    def _by_class(self, case: SourceCase, paths: list[Path]) -> dict[str, list[Path]]:
        """Files by class, in the order of the recipe's classes, else the card's, else by name."""
        found: dict[str, list[Path]] = defaultdict(list)
        class_name = UNNAMED
        for name, path in zip(case.references, paths, strict=True):
            class_name = self._class_of(name) or class_name  # files of voxels follow their header
            found[class_name].append(path)
        order = list(self.config.classes or self.card.references)
        return dict(sorted(found.items(), key=lambda item: (item[0] not in order, _place(item[0], order), item[0])))

    def _class_of(self, name: str) -> str:
        for class_name, pattern in self.card.reference_patterns:
            if (fields := pattern.match(name)) is not None:
                return fields.get("class") or class_name
        return UNNAMED


def _place(name: str, order: list[str]) -> int:
    return order.index(name) if name in order else 0


def _apply_table(source: Source, table: TableCard, grouped: Grouped, listing: Listing) -> None:
    """Give every case the class, patient and split of its row; cases without a class are left out."""
    rows = read_table(source, table.file, table.case) or {}
    listing.metadata.append(table.file)
    missing = [case for case in grouped.cases if case.case not in rows or not rows[case.case].get(table.label)]
    for case in missing:
        grouped.reject(case.images, "label-missing", f"{table.file} gives it no {table.label}")
    without = {case.case for case in missing}
    grouped.cases[:] = [_labelled(case, rows[case.case], table) for case in grouped.cases if case.case not in without]
    grouped.classes.update(case.label for case in grouped.cases)


def _labelled(case: SourceCase, row: Row, table: TableCard) -> SourceCase:
    patient = row.get(table.patient) or case.patient
    split = split_of(row, table.split) or case.split
    return replace(case, label=row.get(table.label), patient=patient, split=split)
