"""Picture -> latents -> field or mesh."""
