"""The GraphQL endpoint of the simulated GitHub: a strict part of the published schema, with its costs and errors."""
