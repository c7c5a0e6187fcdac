"""The summary of a run in Markdown: what got worse, the leaderboard, and why models have no rank."""

from __future__ import annotations

from collections.abc import Sequence

from medseg.reporting.changes import describe_worse
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.score_tables import leaderboard_table
from medseg.reporting.table import escape_markdown
from medseg.reporting.tables import NO_RESULTS
from medseg.reporting.trend import Trend


def summary_markdown(rows: Sequence[LeaderboardRow], title: str, trend: Trend | None) -> str:
    """What stands in ``leaderboard.md``, in the Kubeflow UI too."""
    lines = [f"# {title}", ""]
    if trend and trend.worse:
        lines += ["> **Significantly worse than before**:", ">"]
        lines += [*(f"> - {escape_markdown(describe_worse(change))}" for change in trend.worse), ""]
    if not rows:
        return "\n".join([*lines, NO_RESULTS, ""])
    lines += [leaderboard_table(rows).markdown().rstrip("\n")]
    reasons = [
        f"- **{escape_markdown(row.model)}** {row.status}: {escape_markdown(row.reason)}" for row in rows if row.reason
    ]
    return "\n".join([*lines, *(["", "## Not ranked", "", *reasons] if reasons else []), ""])
