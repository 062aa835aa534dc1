"""The demo: five real issues of Django 3.2, told in our own words, with a model that knows how to mend them."""

from __future__ import annotations

from miyabi_sim.demo.files import DemoFiles, prepare

__all__ = ["DemoFiles", "prepare"]
