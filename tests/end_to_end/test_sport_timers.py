"""A timer on a real serial line: gun and finishers, and what it kept while the box was dead."""
