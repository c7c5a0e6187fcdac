"""Which references belong to which DICOM images; one that fits none, or several, is refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from medseg.data.dicom.cases import Images, refuse, refuse_image
from medseg.data.dicom.catalog import Catalog, File, shown
from medseg.data.labels import Classes
from medseg.data.layouts.names import VOLUME_ENDINGS, stem
from medseg.data.source import stored
from medseg.errors import RejectedFileError


def match_references(images: Images, catalog: Catalog) -> Classes:
    """Give every image its references, and leave out images without where others have some.

    A reference that is damaged takes its image with it: the classes that it draws would be background otherwise.

    Returns:
        the classes that DICOM references name, in the order of their smallest number; none for prediction.
    """
    images.database.execute("BEGIN")
    smallest: dict[str, int] = {}
    seen: dict[str, File] = {}
    fitting_none = 0
    for file in catalog.references():
        first = seen.setdefault(file.record.owner.instance or file.key, file)
        if first is not file:
            refuse(images, file.name, "duplicate-instance", f"is the same instance as {first}")
            continue
        try:
            image = _image_of(file, images)
        except RejectedFileError as error:
            fitting_none += 1
            refuse(images, file.name, error.code, error.reason)
            continue
        _assign(image, file, images)
        for number, name in file.record.names.items():
            smallest[name] = min(number, smallest.get(name, number))
    for name in catalog.plain():
        if name.lower().endswith(VOLUME_ENDINGS):
            _assign_volume(name, images)
    _part(images, fitting_none)
    images.database.execute("COMMIT")
    ordered = sorted(smallest, key=lambda name: (smallest[name], name))
    return {name: value for value, name in enumerate(ordered, start=1)}


def _assign(image: str, file: File, images: Images) -> None:
    images.database.execute("INSERT INTO reference VALUES (?, ?)", (image, stored(file.name)))
    if file.record.code:
        refuse(images, file.name, file.record.code, file.record.reason)
        refuse_image(images, image, "case-rejected", f"{file}, its reference, is {file.record.code}")


def _image_of(file: File, images: Images) -> str:
    """The one image that an object was drawn on: by series and instances, else by frame of reference.

    Raises:
        RejectedFileError: ``image-missing``, ``image-ambiguous``, ``case-rejected``.
    """
    record = file.record
    found = _by_series(record.series, images)
    if not record.series:
        found = _by_instances(record.instances, images)
    if not record.series and not record.instances and record.owner.frame_of_reference:
        query = "SELECT name FROM image WHERE frame_of_reference = ?"
        found = [name for (name,) in images.database.execute(query, (record.owner.frame_of_reference,))]
    if not found:
        _tell_missing(file, images)
    wanted = set(record.instances)
    lacking = {name: wanted - _instances(name, images) for name in found}
    complete = [name for name in found if not lacking[name]]
    if not complete:
        missing = min(len(lack) for lack in lacking.values())
        _tell_refused(sorted(wanted), images)
        reason = f"{missing} of {len(wanted)} images that it was drawn on are not in the volume"
        raise RejectedFileError("image-missing", reason)
    if len(complete) > 1:
        raise RejectedFileError("image-ambiguous", f"{len(complete)} image volumes fit to it")
    return complete[0]


def _by_series(series: Sequence[str], images: Images) -> list[str]:
    marks = ", ".join("?" * len(series))
    query = f"SELECT name FROM image WHERE series IN ({marks}) ORDER BY name"
    return [name for (name,) in images.database.execute(query, series)]


def _by_instances(instances: Sequence[str], images: Images) -> list[str]:
    query = "SELECT image FROM member WHERE instance = ?"
    return sorted({name for one in instances for (name,) in images.database.execute(query, (one,))})


def _instances(image: str, images: Images) -> set[str]:
    query = "SELECT instance FROM member WHERE image = ?"
    return {instance for (instance,) in images.database.execute(query, (image,))}


def _tell_missing(file: File, images: Images) -> None:
    for series in file.record.series:
        row = images.database.execute("SELECT name, code FROM refused WHERE series = ?", (series,)).fetchone()
        if row:
            raise RejectedFileError("case-rejected", _left_out(*row))
    _tell_refused(file.record.instances, images)
    raise RejectedFileError("image-missing", "the image that it was drawn on is not here")


def _tell_refused(instances: Sequence[str], images: Images) -> None:
    for instance in instances:
        query = "SELECT name, code FROM refused WHERE instance = ? AND code != 'duplicate-instance'"
        row = images.database.execute(query, (instance,)).fetchone()
        if row:
            raise RejectedFileError("case-rejected", _left_out(*row))


def _left_out(name: bytes, code: str) -> str:
    return f"its image is left out: {name.decode('utf-8', 'backslashreplace')} is {code}"


def _assign_volume(name: str, images: Images) -> None:
    """Give a NIfTI file to the image whose folder or file has its name, the nearest one in the tree."""
    label = stored(stem(name) or "")
    query = "SELECT name, folder, stem = ? FROM image WHERE stem = ? OR base = ?"
    found = {
        image: _shared(f"{shown(folder)}/" if alike else f"{shown(folder).rpartition('/')[0]}/", name)
        for image, folder, alike in images.database.execute(query, (label, label, label))
    }
    if not found:
        return
    near = [image for image, shared in found.items() if shared == max(found.values())]
    if len(near) > 1:
        refuse(images, name, "image-ambiguous", f"{len(near)} images fit to its name")
    elif images.database.execute("SELECT 1 FROM reference WHERE image = ?", near).fetchone():
        refuse(images, name, "reference-ambiguous", "its image has another reference already")
    else:
        images.database.execute("INSERT INTO reference VALUES (?, ?)", (near[0], stored(name)))


def _shared(folder: str, name: str) -> int:
    """How many folders two names have in common, from the top."""
    pairs = zip(folder.split("/")[:-1], name.split("/")[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _part(images: Images, fitting_none: int) -> None:
    """Leave out images without a reference where there are references at all, and references of refused images."""
    database = images.database
    if database.execute("SELECT 1 FROM reference").fetchone():
        database.execute(
            "UPDATE image SET code = 'reference-missing', reason = 'no reference was drawn on this image'"
            " WHERE code IS NULL AND name NOT IN (SELECT image FROM reference)"
        )
    elif fitting_none:
        images.warnings.append(f"{fitting_none} references fit to none of the images: all are taken for prediction")
    database.execute(
        "INSERT OR IGNORE INTO refused SELECT reference.name, '', '', 'case-rejected', image.reason"
        " FROM reference JOIN image ON image.name = reference.image WHERE image.code IS NOT NULL"
    )
