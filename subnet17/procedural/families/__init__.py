"""The kinds of object that can be made, a module per theme. `model.families()` imports and lists them."""
