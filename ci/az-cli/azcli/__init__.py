"""Runs the az commands of Microsoft's documents against a fake Azure and holds the answers against what they state."""


class CannotRun(Exception):
    """The commands could not be run at all. The text says what was tried, and what to do."""


class Skipped(Exception):
    """The Azure CLI cannot be had here, for the reason that the text tells."""
