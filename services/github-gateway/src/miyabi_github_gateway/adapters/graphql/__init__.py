"""Asks GitHub by GraphQL: what is asked for, what it costs, and what the answers say."""
