"""The containers people keep recorded connections in, one module each."""
