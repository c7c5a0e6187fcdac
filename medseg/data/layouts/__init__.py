"""Ways in which scans and references lie in folders."""

from medseg.data.layouts.choosing import choose_layout, describe_layouts

__all__ = ["choose_layout", "describe_layouts"]
