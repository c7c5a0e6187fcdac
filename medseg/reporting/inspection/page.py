"""An inspection as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medseg import __version__
from medseg.reporting.documents import Picture, template_environment
from medseg.reporting.inspection import tables
from medseg.reporting.inspection.composition import has_scale
from medseg.reporting.inspection.figures import boxes_svg
from medseg.reporting.inspection.findings import Inspection, Thumbnail
from medseg.reporting.inspection.statement import alerts, statement
from medseg.reporting.inspection.text import counted, listed, quantity, visible
from medseg.reporting.overlays import PICTURE_PIXELS, class_colour

AXES_3D = ("left-right", "posterior-anterior", "inferior-superior")
AXES_2D = ("across", "down")
SECTIONS = ("axial", "coronal", "sagittal")
MOST_CLASS_BOXES = 40  # with more classes the table alone is shown
MOST_CHANNEL_BOXES = 4
JPEG_QUALITY = 88


def render(found: Inspection) -> str:
    """The whole page; only the line of the time stamp differs between two calls with equal findings."""
    environment = template_environment(finalize=visible)
    environment.globals |= {"counted": counted, "listed": listed, "quantity": quantity, "side": PICTURE_PIXELS}
    return environment.get_template("inspect.html").render(
        found=found,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        statement=statement(found),
        alerts=list(alerts(found)),
        unstated=", ".join(facet.name.lower() for facet in found.facets if not facet.stated),
        grids=list(_grids(found)),
        volumes=tables.volume_rows(found),
        volume_picture=_volume_picture(found),
        intensities=[
            (channel, tables.intensity_rows(channel), picture)
            for channel, picture in zip(found.intensities, _intensity_pictures(found), strict=True)
        ],
        suspects=tables.suspect_rows(found),
        thumbnails=[(thumbnail, _slice(thumbnail)) for thumbnail in found.thumbnails],
        anatomical=found.dataset.modality in ("ct", "mr"),
        swatches=_swatches(found),
    )


def _grids(found: Inspection) -> Iterator[Picture]:
    """Sizes, and spacings where they mean something, by axis."""
    axes = AXES_2D if found.dataset.dimensions == 2 else AXES_3D
    sizes = np.array([case.shape for case in found.cases], dtype=np.float64)
    unit = "pixels" if found.dataset.dimensions == 2 else "voxels"
    yield from _by_axis(sizes, axes, f"Size in {unit}")
    if has_scale(found.cases, found.dataset):
        spacings = np.array([case.spacing_mm for case in found.cases])
        yield from _by_axis(spacings, axes, "Spacing in mm")


def _by_axis(values: NDArray[np.float64], axes: tuple[str, ...], label: str) -> Iterator[Picture]:
    """Nothing where all cases agree: the table says it."""
    if len(np.unique(values, axis=0)) > 1:
        yield _boxes({name: values[:, number] for number, name in enumerate(axes)}, label)


def _volume_picture(found: Inspection) -> Picture | None:
    rows = {volumes.name: volumes.amounts for volumes in found.class_volumes}
    if not 0 < len(rows) <= MOST_CLASS_BOXES or not any(amounts.size for amounts in rows.values()):
        return None
    return _boxes(rows, "Volume in ml" if found.unit == "ml" else "Percent of the picture")


def _intensity_pictures(found: Inspection) -> Iterator[Picture | None]:
    for number, channel in enumerate(found.intensities):
        rows = tables.intensity_values(channel)
        accents = frozenset(name for name in rows if name.startswith("marked"))
        yield _boxes(rows, f"Intensity, {channel.channel}", accents) if number < MOST_CHANNEL_BOXES else None


def _boxes(rows: dict[str, NDArray[np.float64]], label: str, accents: frozenset[str] = frozenset()) -> Picture:
    medians = ", ".join(f"{name} {quantity(float(np.median(v)))}" for name, v in rows.items() if v.size)
    svg = base64.b64encode(boxes_svg(rows, label, accents).encode()).decode()
    return Picture("data:image/svg+xml;base64," + svg, f"{label} over the cases: medians {medians}.")


def _slice(thumbnail: Thumbnail) -> Picture:
    buffer = io.BytesIO()
    picture = PIL.Image.fromarray(thumbnail.picture)
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    drawn = f" with outlines of {listed(thumbnail.classes)}" if thumbnail.classes else ""
    what = f"{SECTIONS[2 - thumbnail.axis].capitalize()} slice" if thumbnail.case.shape[2] > 1 else "Picture"
    alt = f"{what} of {thumbnail.case.case}{drawn}."
    return Picture("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(), alt)


def _swatches(found: Inspection) -> list[tuple[str, str]]:
    """Name and CSS colour of every class that some picture shows."""
    shown = {name for thumbnail in found.thumbnails for name in thumbnail.classes}
    foreground = found.dataset.foreground.items()
    return [(name, "#{:02x}{:02x}{:02x}".format(*class_colour(value))) for name, value in foreground if name in shown]
