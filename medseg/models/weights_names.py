"""Which tensor of a file belongs to which tensor of a network, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn

ENOUGH = 0.9  # of a part's tensors must be in the file
WRAPPED = 0.2  # of the file's tensors lie below a prefix that may be a wrapper
EXAMPLES = 3


@dataclass(frozen=True)
class Match:
    """A part of a network beside a part of a file.

    Attributes:
        part: prefix of the network's names, empty for all of it.
        names: the network's name to the file's.
        missing: names of the part that the file does not have.
    """

    part: str
    names: dict[str, str]
    missing: list[str]

    @property
    def fits(self) -> bool:
        return len(self.names) >= ENOUGH * (len(self.names) + len(self.missing)) > 0


def match(ours: Iterable[str], theirs: Iterable[str], core: Iterable[str]) -> Match:
    """The largest part of a network that a file has, whatever stands in front of the names in either.

    ``stages_0.`` and ``stages.0.`` are one name: timm writes it so where it gives away features.

    Args:
        core: what the file must be about: names of the network's encoder, or all of them. Parts with less than half
            of it are not considered.
    """
    core = set(core)
    heres = {part: names for part, names in _parts(ours).items() if 2 * len(core & set(names.values())) >= len(core)}
    total = max(1, len(set(theirs := list(theirs))))
    theres = [names for names in _parts(theirs).values() if len(names) >= WRAPPED * total]
    matches = (_compare(part, here, there) for part, here in heres.items() for there in theres)
    return max(matches, key=lambda found: (found.fits, len(found.names)), default=Match("", {}, sorted(core)))


def namings(names: Iterable[str], network: nn.Module, renames: Mapping[str, str]) -> list[dict[str, str]]:
    """Ways to read a file's names, each as new name to name in the file: as they are, and as published files need it.

    Args:
        renames: pattern to replacement.
    """
    names = list(names)
    ways = [{name: name for name in names}]
    if renames:
        ways.append({_rename(name, renames): name for name in names})
    ways += _of_transformers(names, network)
    return ways


def _rename(name: str, renames: Mapping[str, str]) -> str:
    for pattern, replacement in renames.items():
        name = re.sub(pattern, replacement, name)
    return name


def _of_transformers(names: list[str], network: nn.Module) -> list[dict[str, str]]:
    """Published files of transformers have the names of its older versions; it knows how they changed."""
    if not any(type(module).__module__.startswith("transformers.") for module in network.modules()):
        return []
    from transformers import PreTrainedModel
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming, apply_renamings

    models = [module for module in network.modules() if isinstance(module, PreTrainedModel)]
    ways = []
    for model in models:
        changes = [change for change in get_model_conversion_mapping(model) if isinstance(change, WeightRenaming)]
        ways.append({apply_renamings(name, changes): name for name in names})
    return ways


def _parts(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Every prefix, shortest first, to what stands below it: rest of the name to whole name."""
    parts: dict[str, dict[str, str]] = {"": {}}
    for name in names:
        plain = re.sub(r"_(\d+)(?=\.)", r".\1", name)
        cuts = [0, *(match.end() for match in re.finditer(r"\.", plain))]
        for cut in cuts:
            parts.setdefault(plain[:cut], {})[plain[cut:]] = name
    return dict(sorted(parts.items(), key=lambda part: len(part[0])))


def _compare(part: str, here: dict[str, str], there: dict[str, str]) -> Match:
    names = {ours: there[rest] for rest, ours in here.items() if rest in there}
    return Match(part, names, [ours for rest, ours in here.items() if rest not in there])
