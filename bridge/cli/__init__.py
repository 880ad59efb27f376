"""The commands of `chip-bridge`, one module each, loaded when they are called."""
