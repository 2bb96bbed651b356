"""The pure core: values in, values out; no IO, clock, randomness or logging."""
