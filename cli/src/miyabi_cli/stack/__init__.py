"""The whole system as processes of one machine."""
