"""Words on what was measured."""
