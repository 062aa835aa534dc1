"""Events that come in over HTTP: what they may say, and where they are kept."""
