"""What quality costs: in seconds per case and in device hours of training."""

from __future__ import annotations

from collections.abc import Sequence

from medseg.reporting.documents import Picture, figure_picture
from medseg.reporting.figures.pareto import Candidate, draw_pareto
from medseg.reporting.leaderboard import COSTS, efficient_models, ranked_groups
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.wording import GROUPS

LABELS = {"seconds_per_case": "Seconds per case", "device_hours": "Device hours of training"}


def pareto_pictures(rows: Sequence[LeaderboardRow]) -> dict[str, list[Picture]]:
    """Dice of the ranked models against each cost that two of them have.

    Returns:
        The pictures of every group by its heading, which is empty where all ranked models are of one group.
    """
    models, groups = [row.model for row in rows], ranked_groups(rows)
    found = {
        GROUPS[group] if len(groups) > 1 else "": [_pareto_picture(members, cost, models) for cost in COSTS]
        for group, members in groups.items()
    }
    drawn = {heading: [picture for picture in pictures if picture] for heading, pictures in found.items()}
    return {heading: pictures for heading, pictures in drawn.items() if pictures}


def _pareto_picture(rows: Sequence[LeaderboardRow], cost: str, models: Sequence[str]) -> Picture | None:
    efficient = efficient_models(rows, cost)
    candidates = [
        Candidate(row.model, value, row.dice, row.model in efficient)
        for row in rows
        if (value := getattr(row, cost)) is not None and row.dice is not None
    ]
    if len(candidates) < 2:
        return None
    label = LABELS[cost]
    told = "; ".join(
        f"{c.model} {c.quality:.3f} at {c.cost:.3g}{' (efficient)' if c.efficient else ''}" for c in candidates
    )
    return figure_picture(draw_pareto(candidates, models, label, "Mean Dice"), f"Mean Dice by {label.lower()}: {told}.")
