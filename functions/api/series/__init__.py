"""Series and their listing."""
