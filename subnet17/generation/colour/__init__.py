"""Colours of a shape from the picture it was made of."""
