"""De-identification: pure functions from (plan, record, keys) to record, and the check of what they made."""
