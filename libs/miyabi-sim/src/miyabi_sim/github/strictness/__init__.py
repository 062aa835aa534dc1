"""How slow, strict and broken the simulated GitHub is: limits, faults and the dials for both."""
