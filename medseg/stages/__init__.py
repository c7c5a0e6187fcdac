"""The five verbs of the benchmark, one module each: plain functions without kfp or argparse."""
