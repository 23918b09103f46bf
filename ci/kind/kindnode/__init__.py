"""Makes the node image of kind, and the Docker to run it in, on a machine that can pull no image."""


class Failed(Exception):
    """Something could not be done. The text names the thing, the place and the remedy."""
