"""What rows share: clocks and memory, profiles, the form of a row, a stack to measure on."""
