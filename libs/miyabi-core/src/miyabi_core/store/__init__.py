"""Redis and Valkey: addresses, connections, the embedded server, and a cluster of one's own."""
