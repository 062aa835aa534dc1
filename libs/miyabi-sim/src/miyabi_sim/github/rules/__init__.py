"""What a repository's rulesets and rights say of branches and of pushes to them."""
