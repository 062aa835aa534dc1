"""Row 10.4b: what limits that follow their targets are worth beside fixed ones."""
