"""Between the contract's messages and our values, both ways. Nothing else in the authority knows both."""
