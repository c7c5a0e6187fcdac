"""What medseg is measured against, side by side in one run: ``make bench``."""
