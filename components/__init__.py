"""The verbs as typed Kubeflow Pipelines components: pointers in, pointers and what the UI draws out."""
