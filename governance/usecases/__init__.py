"""What people and platforms do, each readable from top to bottom."""
