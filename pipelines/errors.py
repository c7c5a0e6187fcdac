"""What can go wrong between a command and a cluster."""

from __future__ import annotations

from medseg.errors import MedsegError


class ClusterError(MedsegError):
    """Kubeflow Pipelines or Kubernetes could not be reached, or refused."""
