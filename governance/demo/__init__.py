"""The demo: a small synthetic world, generated from data files and a seed, and the main job run on it."""

from __future__ import annotations

from governance.demo.world import generate

__all__ = ["generate"]
