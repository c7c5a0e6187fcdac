"""The layouts that are known, the most specific first, and which of them a source has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medseg.config import DatasetConfig
from medseg.data.layouts.card import built_in_card, read_card
from medseg.data.layouts.card_layout import CardLayout
from medseg.data.layouts.dicom import DicomLayout
from medseg.data.layouts.listing import Layout
from medseg.data.layouts.uw_madison import UwMadisonCard, UwMadisonLayout
from medseg.data.source import Source
from medseg.errors import DataError, RecipeError
from medseg.validation import validate

Builder = Callable[[DatasetConfig], Layout]

_RECIPE = "dataset.layout"
_INDENT = 22


def _card(name: str) -> Builder:
    return lambda config: CardLayout(config, built_in_card(name))


LAYOUTS: dict[str, Builder] = {
    **{name: _card(name) for name in ("nnunet", "decathlon")},
    UwMadisonLayout.name: UwMadisonLayout,
    **{name: _card(name) for name in ("left-right-lungs", "busi", "pairs", "split-pairs", "objects")},
    **{name: _card(name) for name in ("case-folders", "suffix-pairs")},
    DicomLayout.name: DicomLayout,
    **{name: _card(name) for name in ("class-table", "class-folders", "unlabelled")},
}


def choose_layout(source: Source, config: DatasetConfig) -> tuple[Layout, str]:
    """The layout that the recipe asks for, or for ``auto`` the most specific that recognises the source, and why.

    Raises:
        RecipeError: an unknown name, or a faulty card.
        DataError: no layout recognises the source.
    """
    wanted = config.layout
    if isinstance(wanted, dict):
        layout = _from_card(wanted, config)
        return layout, f"as the card of {_RECIPE} says"
    if wanted != "auto":
        if wanted not in LAYOUTS:
            raise RecipeError(f"{_RECIPE} = {wanted!r}: unknown layout; choose auto, {', '.join(LAYOUTS)}, or a card")
        layout = LAYOUTS[wanted](config)
        return layout, layout.recognise(source) or f"as {_RECIPE} asks for"
    for build in LAYOUTS.values():
        layout = build(config)
        if reason := layout.recognise(source):
            return layout, reason
    entries = sorted({name.split("/")[0] + ("/" if "/" in name else "") for name in source.glimpse})
    shown = ", ".join(entries[:8]) + (", …" if len(entries) > 8 else "")
    raise DataError(
        f"{source}: no known layout; it holds {shown}. Name one in {_RECIPE}, or give a card. Known layouts:\n"
        f"{describe_layouts()}"
    )


def _from_card(raw: dict[str, Any], config: DatasetConfig) -> Layout:
    if raw.get("name") == UwMadisonLayout.name:
        return UwMadisonLayout(config, validate(UwMadisonCard, raw, _RECIPE))
    return CardLayout(config, read_card(raw, _RECIPE))


def describe_layouts() -> str:
    """Name and description of every layout, with names of files as an example."""
    config = DatasetConfig(name="any")
    lines = []
    for name, build in LAYOUTS.items():
        layout = build(config)
        example = layout.card.example if isinstance(layout, CardLayout) else getattr(layout, "example", ())
        lines.append(f"  {name:<{_INDENT - 2}}{layout.description}")
        lines += [f"  {'':<{_INDENT - 2}}  {file}" for file in example]
    return "\n".join(lines)
