"""What is asked of GitHub, and how often."""
