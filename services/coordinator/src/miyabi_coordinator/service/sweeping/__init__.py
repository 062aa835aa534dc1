"""What is due without anybody asking: timers, expired leases, old batches."""
