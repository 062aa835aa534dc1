"""Words on whole batches."""
