"""What a report draws; every figure is the same for the same numbers."""
