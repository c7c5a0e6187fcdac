"""What stands between a recipe and its run on a cluster: one finding per line, each with what mends it."""
