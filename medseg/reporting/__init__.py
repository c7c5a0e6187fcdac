"""The ranked report: tables, plots, HTML."""
