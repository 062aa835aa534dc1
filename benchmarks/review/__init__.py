"""Rows `review` and `10.2`: what a review finds of planted defects, what it says of honest changes, how fast."""
