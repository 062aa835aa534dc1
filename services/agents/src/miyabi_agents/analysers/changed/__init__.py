"""The change as analysers see it: which files, which lines, what is left out."""
