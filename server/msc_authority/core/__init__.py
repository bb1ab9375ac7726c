"""Pure decisions: facts in, frozen values out, with the reasons. No I/O, no clock, no logging."""
