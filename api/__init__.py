"""The HTTP face of the house: routes that call one use case each, and nothing decided here."""
