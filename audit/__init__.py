"""The audit log: an append-only Merkle log per tenant that strangers can verify.

Stands alone: nothing of the engine is imported here. Formats: docs/formats.md.
"""
