"""The readers we ship, one family each."""
