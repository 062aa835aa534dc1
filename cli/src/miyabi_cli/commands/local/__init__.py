"""Words on this machine: the local stack, one checkout, what is there and what is missing."""
