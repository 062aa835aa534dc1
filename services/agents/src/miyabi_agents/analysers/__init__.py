"""Static analysis of a change: every analyser at once, findings on changed lines only, a score by a table."""
