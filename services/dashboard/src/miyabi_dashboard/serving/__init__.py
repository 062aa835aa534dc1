"""The HTTP application: routes, requests, answers."""
