"""The embedded generator's knowledge: words, parametric parts, materials, composed objects."""
