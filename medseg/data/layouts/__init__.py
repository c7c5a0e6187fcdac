"""The layouts that are known, the most specific first."""

from medseg.data.layouts.decathlon import DECATHLON
from medseg.data.layouts.dicom_seg import DICOM_SEG
from medseg.data.layouts.listing import Layout, Listing, Rejection, Source, SourceCase
from medseg.data.layouts.nnunet import NNUNET
from medseg.data.layouts.pairs import PAIRS
from medseg.errors import DataError

LAYOUTS: tuple[Layout, ...] = (NNUNET, DECATHLON, PAIRS, DICOM_SEG)

__all__ = ["LAYOUTS", "Layout", "Listing", "Rejection", "Source", "SourceCase", "choose_layout"]


def choose_layout(source: Source, wanted: str) -> tuple[Layout, str]:
    """The wanted layout, or for ``auto`` the first that recognises the source, and why.

    Raises:
        DataError: no layout recognises the source, or the wanted one does not.
    """
    for layout in LAYOUTS:
        if wanted in ("auto", layout.name) and (reason := layout.recognise(source)):
            return layout, reason
    entries = sorted({name.split("/")[0] + ("/" if "/" in name else "") for name in source.files})
    shown = ", ".join(entries[:8]) + (", …" if len(entries) > 8 else "")
    asked = "no known layout" if wanted == "auto" else f"not the layout {wanted!r} that dataset.layout asks for"
    raise DataError(f"{source.root}: {asked}; it holds {shown}. Known layouts:\n{describe_layouts()}")


def describe_layouts() -> str:
    """One line per layout."""
    return "\n".join(f"  {layout.description}" for layout in LAYOUTS)
