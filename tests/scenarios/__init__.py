"""The shipped law, as a whole."""
