"""Task engines that a user might pick instead, on the same machine and the same server in the same run."""
