"""medseg: a benchmark of medical image segmentation models, from real scans to one ranked report."""

__version__ = "0.1.0"
