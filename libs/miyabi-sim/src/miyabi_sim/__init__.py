"""A simulated GitHub and a simulated model API: real servers on loopback."""
