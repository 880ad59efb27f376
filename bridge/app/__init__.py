"""Stages of the running service."""
