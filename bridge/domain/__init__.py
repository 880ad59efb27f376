"""Pure rules of race timing: no I/O, no clock, integers only."""
