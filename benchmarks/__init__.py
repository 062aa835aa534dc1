"""Where the README's figures come from: each row runs ours and its baseline in the same run."""
