"""A package index over a folder of wheels, for clusters that reach no other."""

from __future__ import annotations

from miyabi_sim.packages.server import application

__all__ = ["application"]
