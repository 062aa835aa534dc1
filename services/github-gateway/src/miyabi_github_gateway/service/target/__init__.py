"""Says what stands in the way of work on a repository, before any money is spent."""

from __future__ import annotations

from miyabi_github_gateway.service.target.check import TargetCheck

__all__ = ["TargetCheck"]
