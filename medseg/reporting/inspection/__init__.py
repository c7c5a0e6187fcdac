"""What a finished data set holds: first as numbers, then as one page."""
