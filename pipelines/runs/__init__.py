"""Runs on a cluster: which there are, how far they are, their logs and results."""
