"""The card of a layout: a short YAML text that says which files make a case, what they mean, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

import yaml
from PIL import ImageColor
from pydantic import BeforeValidator, Field, model_validator

from medseg.artifacts import Task
from medseg.config import ModalityName
from medseg.data.labels import Classes
from medseg.data.layouts.pattern import Pattern, compile_pattern
from medseg.errors import RecipeError
from medseg.section import Section, Slug
from medseg.validation import validate

CARDS = files("medseg.data.layouts") / "cards"
UNNAMED = ""  # class of references whose values say which class they are

SplitName = Literal["", "train", "validation", "test"]
Patterns = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class TableCard(Section):
    """A CSV file with one row per case.

    Attributes:
        file: name below the source.
        case: column with the case's name or its image file's.
        label: column with the class of the whole image.
        patient, split: columns that may be absent.
    """

    file: str
    case: str = "case"
    label: str
    patient: str = "patient"
    split: str = "split"


class Card(Section):
    """Which files make a case.

    Attributes:
        found: what the source holds where this layout is recognised, for the log.
        example: names of files in such a source.
        images: path patterns; a file that several match belongs to the first whose case has a reference.
        references: path patterns of files that hold class values; or one such entry per class, whose files hold that
            class wherever they are not 0. Patterns of one entry are alternatives, of which a source uses one.
        merge: every pattern of an entry must have a file, and what any of them holds belongs to the class.
        classes: class name to value in the references.
        colours: class name to colour in the references, as ``red``, ``#ff0000`` or ``rgb(255, 0, 0)``.
        colour_tolerance: how far, in levels of red, green and blue, areas of a mask may be from the nearest colour.
        channels: names in ``{channel}`` in their order, or ``fourth-axis`` of a file.
        splits: what ``{split}`` stands for.
        dataset_json: read classes, channels and modality from ``dataset.json``.
        table: a CSV file that gives every image its class.
    """

    name: Slug = "card"
    description: str = ""
    found: str = ""
    example: tuple[str, ...] = ()
    images: Annotated[Patterns, Field(min_length=1)]
    references: dict[str, Patterns] = Field(default_factory=dict)
    merge: bool = False
    classes: Classes | None = None
    colours: dict[str, str] | None = None
    colour_tolerance: Annotated[int, Field(ge=0, le=255)] = 64
    channels: Literal["fourth-axis"] | tuple[str, ...] | None = None
    splits: dict[str, SplitName] = Field(default_factory=dict)
    modality: ModalityName = "auto"
    dataset_json: bool = False
    table: TableCard | None = None

    @model_validator(mode="before")
    @classmethod
    def _references_of_one_kind(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and isinstance(raw.get("references"), str | list | tuple):
            return {**raw, "references": {UNNAMED: raw["references"]}}
        return raw

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for fault in (*self._image_faults(), *self._reference_faults()):
            raise ValueError(fault)
        for colour in (self.colours or {}).values():
            ImageColor.getrgb(colour)
        return self

    def _image_faults(self) -> list[str]:
        kinds = {pattern.fields - {"channel", "ext"} for pattern in self.image_patterns}
        fields = frozenset().union(*(pattern.fields for pattern in self.image_patterns))
        checks = {
            "images: all patterns need the same placeholders besides {channel} and {ext}": len(kinds) > 1
            and self.references,
            "splits: say what {split} stands for, e.g. {Tr: train, Ts: test}": "split" in fields and not self.splits,
            "table and {class} in images both give classes; leave one of them out": self.table and "class" in fields,
            "references and classes of whole images exclude each other": self.references
            and (self.table or "class" in fields),
        }
        return [fault for fault, wrong in checks.items() if wrong]

    def _reference_faults(self) -> list[str]:
        named = set(self.references) - {UNNAMED}
        strange = self.reference_fields - self.image_patterns[0].fields - {"class", "ext"}
        by_name = "class" in self.reference_fields
        checks = {
            f"references: {{{', {'.join(sorted(strange))}}} must be in images too": strange,
            "references: {channel} is for images only": "channel" in self.reference_fields,
            "references: class names and {class} both name classes; leave one of them out": named and by_name,
            "colours: classes are named by colours already; give references without class names": self.colours
            and (named or by_name),
            "merge: files with several classes cannot be merged; leave colours and classes out": self.merge
            and (self.colours or self.classes),
        }
        return [fault for fault, wrong in checks.items() if wrong]

    @cached_property
    def image_patterns(self) -> tuple[Pattern, ...]:
        return tuple(self._compiled(pattern) for pattern in self.images)

    @cached_property
    def reference_patterns(self) -> tuple[tuple[str, Pattern], ...]:
        """Class and pattern of every kind of reference; the class is empty where the file's name or values give it."""
        return tuple((name, self._compiled(pattern)) for name, texts in self.references.items() for pattern in texts)

    @property
    def reference_fields(self) -> frozenset[str]:
        return frozenset().union(*(pattern.fields for _, pattern in self.reference_patterns))

    @property
    def names_classes(self) -> bool:
        """Whether every reference file holds one class, which the card or the file's name says."""
        return "class" in self.reference_fields or any(self.references)

    @property
    def task(self) -> Task:
        if self.references:
            return "segmentation"
        labelled = self.table or "class" in self.image_patterns[0].fields
        return "classification" if labelled else "prediction"

    def _compiled(self, text: str) -> Pattern:
        channels = self.channels if isinstance(self.channels, tuple) else ()
        return compile_pattern(text, channels, self.splits)


def read_card(raw: Mapping[str, Any], where: str) -> Card:
    """A card from plain data.

    Raises:
        RecipeError: names ``where``, the key, the value and the choices.
    """
    return validate(Card, dict(raw), where)


@lru_cache
def built_in_card(name: str) -> Card:
    """A card that comes with medseg.

    Raises:
        RecipeError: there is none of this name.
    """
    path = CARDS / f"{name}.yaml"
    if not path.is_file():
        raise RecipeError(f"dataset.layout: there is no layout card {name!r}")
    return read_card({"name": name, **yaml.safe_load(path.read_text(encoding="utf-8"))}, str(path))
