"""What a person should look at: one table of rules over one observation, and a board that remembers."""
