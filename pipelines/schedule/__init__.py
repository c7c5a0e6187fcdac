"""A recipe that starts again by itself: a recurring run of Kubeflow Pipelines for each recipe with a schedule."""
