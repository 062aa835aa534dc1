"""The only service that talks to GitHub: batched reads, paced writes, the git proxy."""
