"""Every command of the READMEs is one that exists, with arguments that it takes and files that are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from medseg.cli import _parser as medseg_parser
from medseg.config import Recipe
from medseg.validation import validate
from pipelines.__main__ import _parser as pipelines_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "images").glob("*.md")), *sorted((ROOT / "manifests").rglob("*.md"))]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|medseg|python -m pipelines) [^`]+)`")
PLACEHOLDERS = {"RECIPE": "pipelines/recipes/demo.yaml", "N": "2"}
PLACEHOLDER = re.compile(r"\b(?:RECIPE|N)\b(?!=)")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
RECIPE_KEYS = set(Recipe.model_fields)


def blocks(language: str) -> Iterator[str]:
    for page in PAGES:
        yield from (text for kind, text in BLOCK.findall(page.read_text()) if kind in language.split("|"))


def commands() -> list[str]:
    """All commands in blocks and in running text, each once, without what follows a pipe."""
    lines = [line for text in blocks("|bash") for line in text.replace("\\\n", " ").splitlines()]
    inline = [line for page in PAGES for line in INLINE.findall(BLOCK.sub("", page.read_text()))]
    words = ("make ", "medseg ", "python -m pipelines ", "kubectl apply -k ")
    found = {line.strip() for line in [*lines, *inline] if line.strip().startswith(words)}
    return sorted(command for command in found if "…" not in command and "|" not in command.split(" #")[0].split()[1])


def arguments(command: str) -> list[str]:
    words = shlex.split(PLACEHOLDER.sub(lambda found: PLACEHOLDERS[found[0]], command), comments=True)
    return words[: words.index("|")] if "|" in words else words


@pytest.mark.parametrize("command", commands())
def test_a_command_can_be_typed_as_it_stands(command: str) -> None:
    program, *words = arguments(command)
    if program == "make":
        assert {word for word in words if "=" not in word} <= TARGETS
    elif program == "medseg":
        medseg_parser().parse_args(words)
    elif program == "kubectl":
        assert (ROOT / words[2] / "kustomization.yaml").is_file()
    else:
        pipelines_parser().parse_args(words[2:])


def test_files_that_commands_name_are_there() -> None:
    named = {
        word for command in commands() for word in arguments(command) if word.startswith(("pipelines/", "manifests/"))
    }
    assert len(named) >= 4
    assert [name for name in named if not (ROOT / name).exists()] == []


def recipes() -> list[str]:
    found = []
    for text in blocks("yaml"):
        parts = yaml.safe_load(text)
        if isinstance(parts, dict) and set(parts) <= RECIPE_KEYS:
            found.append(text)
    return found


@pytest.mark.parametrize("text", recipes())
def test_a_piece_of_a_recipe_is_one(text: str) -> None:
    raw = {"name": "piece", **yaml.safe_load(text)}
    raw["dataset"] = {"name": "d", **raw.get("dataset", {})}
    assert validate(Recipe, raw, "README").name


def test_the_pages_hold_commands_and_recipes() -> None:
    assert len(commands()) > 40
    assert len(recipes()) > 6
