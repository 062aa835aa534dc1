"""Rows 4, 5 and 10.1: how soon a model's text is seen, over how many connections it comes, what talks at once cost."""
