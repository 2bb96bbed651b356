"""The slow, obvious evaluator that the fast one is compared with."""
