"""Ecosystems that Miyabi knows: one folder each, all behind `port.py`; `registry.py` lists them."""
