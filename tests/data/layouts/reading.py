"""Sources listed and read in tests, as the stage does it."""

from __future__ import annotations

from pathlib import Path

from medseg.config import DatasetConfig
from medseg.data.deidentification.identities import Identities
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.labels import Reference
from medseg.data.layouts import choose_layout
from medseg.data.layouts.cases_csv import apply_cases_csv
from medseg.data.layouts.listing import Layout, Listing, Loaded, Reading, SourceCase
from medseg.data.source import Source


class Listed:
    """A source, its layout and its cases.

    Args:
        layout: value of ``dataset.layout``.
        scratch: folder for the files of the ingest; beside the source if None.
    """

    def __init__(
        self, root: Path, layout: str | dict = "auto", scratch: Path | None = None, **settings: object
    ) -> None:
        config = DatasetConfig.model_validate({"name": "scans", "layout": layout, **settings})
        scratch = scratch or root.parent
        pseudonyms = Pseudonyms(b"a key of sixteen bytes")
        identities = Identities(scratch / "identities.sqlite", pseudonyms)
        self.reading = Reading(pseudonyms, identities, 1, scratch / "catalog.sqlite", scratch)
        self.source = Source(root)
        self.layout: Layout
        self.layout, self.reason = choose_layout(self.source, config)
        listing = self.layout.read(self.source, self.reading)
        self.listing: Listing = apply_cases_csv(self.source, listing, self.reading if config.deidentify.key else None)

    @property
    def cases(self) -> list[SourceCase]:
        return list(self.listing.cases)

    @property
    def names(self) -> list[str]:
        return [case.case for case in self.cases]

    @property
    def codes(self) -> dict[str, str]:
        return {rejection.path: rejection.code for rejection in self.listing.rejected}

    def image(self, case: SourceCase | None = None) -> Loaded:
        return self.layout.load_image(self.source, case or self.cases[0], self.listing.modality or "other")

    def reference(self, case: SourceCase | None = None) -> Reference:
        return self.layout.load_reference(self.source, case or self.cases[0], None)
