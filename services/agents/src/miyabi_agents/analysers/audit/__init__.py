"""The audit of dependencies: what a change adds or raises, against advisories of a database or of package indexes."""
