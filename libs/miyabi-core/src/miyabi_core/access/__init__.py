"""Who calls, by what they show; how that is kept and carried."""
