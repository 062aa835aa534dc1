"""Runs tasks: triage, plan, implement, verify, review, document, pull request."""
