"""The agent's one stream to the coordinator: leases come down, progress and outcomes go up."""
