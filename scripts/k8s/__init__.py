"""Miyabi on Kubernetes: builds images, renders and checks manifests, brings the system up and down."""

from __future__ import annotations
