"""The HTTP side: one API for the command line (Unix socket) and for the network."""
