"""The `miyabi` command: a local stack, submit, watch, list, cancel, label, doctor."""
