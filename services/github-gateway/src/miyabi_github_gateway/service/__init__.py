"""Use cases of the gateway: batching, caching, pacing."""
