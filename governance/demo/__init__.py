"""The demo: a small synthetic world, generated from data files and a seed, and the main job run on it."""
