"""What bounds the work: limits of the operator, of GitHub, of the model API, of money."""
