"""Looks at a repository with the product's own parts, and takes a checkout through the pipeline on this machine."""
