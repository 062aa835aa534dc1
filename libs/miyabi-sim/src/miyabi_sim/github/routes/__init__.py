"""What the simulated GitHub serves beside GraphQL: REST, git and pages, in GitHub's shapes."""
