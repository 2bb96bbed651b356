"""Laws of the engine, on random worlds."""
