"""Fitting one network: loop, losses, schedules, checkpoints."""
