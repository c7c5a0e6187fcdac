"""The Basic Profile of DICOM PS3.15 Annex E, table E.1-1, as the code reads it: what is done with which attribute."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.tag import BaseTag

EDITION = "2026c"
Action = Literal["removed", "emptied", "replaced", "remapped", "kept"]

# The compound actions leave the choice to what the definition of the object asks for (type 3, 2 or 1). Without asking
# for it, a value is replaced, else emptied, wherever the table allows that: it fits all three and tells no more.
_ACTIONS: tuple[tuple[Action, list[tuple[int, ...]]], ...] = (
    ("removed", table.X_TAGS),
    ("emptied", table.Z_TAGS),
    ("emptied", table.X_Z_TAGS),
    ("replaced", table.D_TAGS),
    ("replaced", table.Z_D_TAGS),
    ("replaced", table.X_D_TAGS),
    ("replaced", table.X_Z_D_TAGS),
    ("remapped", table.U_TAGS),
    ("remapped", table.X_Z_U_STAR_TAGS),  # sequences of references: kept, with other UIDs in them
)
ACTIONS: dict[int, Action] = {
    tag[0] << 16 | tag[1]: action for action, tags in _ACTIONS for tag in tags if len(tag) == 2
}
# Retain Patient Characteristics: those that say how a body is, none that is free text.
CHARACTERISTICS = frozenset({0x00100040, 0x00101010, 0x00101020, 0x00101030})  # sex, age, size, weight
# Dates that Retain Longitudinal Temporal Information does not keep: its column of the table is empty for them.
BIRTH = frozenset({0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035})
DATES = frozenset({"DA", "DT", "TM"})
KIND_UIDS = ("ClassUID", "CodingSchemeUID", "TransferSyntaxUID", "ContextUID", "MappingResourceUID")
# PS3.16 CID 7050
CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
DUMMIES: dict[str, Any] = {
    "AE": "REMOVED", "AS": "000Y", "AT": 0, "CS": "REMOVED", "DA": "19000101", "DS": "0", "DT": "19000101000000",
    "FD": 0.0, "FL": 0.0, "IS": "0", "LO": "REMOVED", "LT": "REMOVED", "PN": "REMOVED", "SH": "REMOVED", "SL": 0,
    "SS": 0, "ST": "REMOVED", "SV": 0, "TM": "000000", "UC": "REMOVED", "UL": 0, "UR": "urn:removed", "US": 0,
    "UT": "REMOVED", "UV": 0,
}  # fmt: skip


@lru_cache(maxsize=65_536)
def action(tag: int, vr: str) -> Action:
    """What the Basic Profile does with an attribute; ``kept`` sequences are gone through item by item.

    Beyond the table, private attributes, those that the dictionary does not know, whole curves (50xx) and overlays
    (60xx) and dates that the table does not name are removed, and UIDs of single objects that it does not name are
    remapped. Sequences are emptied where it says D: dummies would have to be made for whatever they hold.
    """
    group = tag >> 16
    unknown = group % 2 or group < 8 or not tag & 0xFFFF or not dictionary_has_tag(tag) or vr == "UN"
    if unknown or 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
        return "removed"
    listed = ACTIONS.get(tag, "removed" if vr in ("DA", "DT") else "kept")
    if vr == "SQ":
        return "emptied" if listed == "replaced" else "kept" if listed == "remapped" else listed
    if vr == "UI" and listed != "removed":
        return "kept" if keyword_for_tag(BaseTag(tag)).endswith(KIND_UIDS) else "remapped"
    return listed
