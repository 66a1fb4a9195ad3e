"""The validation server: a 3D asset and its prompt in, a score with reasons out."""
