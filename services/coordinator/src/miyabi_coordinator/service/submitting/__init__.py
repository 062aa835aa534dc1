"""How a batch begins: what is asked for, what stands in its way, what depends on what."""
