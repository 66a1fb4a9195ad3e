"""Prompt -> picture of one object without its background."""
