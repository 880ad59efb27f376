"""Everything that touches the world, one technology each."""
