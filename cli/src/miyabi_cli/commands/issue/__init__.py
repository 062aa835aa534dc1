"""Words on one issue of a batch."""
