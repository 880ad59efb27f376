"""RunSignup as a results provider: its REST interface, rules and looseness kept in here."""
