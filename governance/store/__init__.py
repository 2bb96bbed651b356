"""The information point: register, consents at rest, ledger and the facts gathered for one decision."""
