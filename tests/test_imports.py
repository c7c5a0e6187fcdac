"""Who may import whom: verbs compose nouns, nouns never call verbs, and medseg never imports kfp."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# a module may import what stands on a lower level, and its own package
LEVELS = [
    {
        "medseg",
        "medseg.errors",
        "medseg.types",
        "medseg.artifacts",
        "medseg.section",
        "medseg.cluster_config",
        "medseg.cron",
        "medseg.config",
        "medseg.validation",
        "medseg.console",
        "medseg.fetch",
        "medseg.pool",
    },
    {"medseg.data", "medseg.models", "medseg.metrics", "medseg.storage"},
    {"medseg.reporting", "medseg.inference", "medseg.training"},
    {"medseg.stages", "medseg.model_commands"},
    {"medseg.metric_commands", "medseg.run_commands", "medseg.tensorboard_commands"},
    {"medseg.cli", "components"},
    {"pipelines"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
FILES = sorted(path for top in ("medseg", "components", "pipelines") for path in (ROOT / top).rglob("*.py"))


def unit_of(module: str) -> str:
    """The package, or the module directly under medseg, that a dotted name belongs to."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "medseg" else parts[0]


def imported_modules(path: Path) -> set[str]:
    """Dotted names imported anywhere in a file, also inside functions; ``from a import b`` may mean the module a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if unit_of(name) in LEVEL else node.module for name in submodules}
    return names


def own_unit(path: Path) -> str:
    return unit_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = own_unit(path)
    used = {
        unit_of(name) for name in imported_modules(path) if name.split(".")[0] in ("medseg", "components", "pipelines")
    }
    bottom = LEVELS[0]
    wrong = sorted(unit for unit in used - {own} if LEVEL[unit] >= LEVEL[own] and not {unit, own} <= bottom)
    assert not wrong, f"{own} (level {LEVEL[own]}) must not import {', '.join(wrong)}"


@pytest.mark.parametrize("path", sorted((ROOT / "medseg").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_medseg_never_imports_kfp(path: Path) -> None:
    assert not {name for name in imported_modules(path) if name.split(".")[0] == "kfp"}
