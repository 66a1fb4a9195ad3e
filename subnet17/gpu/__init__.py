"""The GPU: what it is and what it has left."""
