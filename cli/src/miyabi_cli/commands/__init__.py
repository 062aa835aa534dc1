"""One module a command; each translates arguments and leaves the work to its neighbours."""
