"""Generated messages and stubs of the policy contract, by version."""
