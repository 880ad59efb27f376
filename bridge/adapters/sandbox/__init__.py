"""Results services made of software: for rehearsals, the demo and tests."""
