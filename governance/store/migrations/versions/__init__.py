"""Revisions of the schema, oldest first; a revision once released is never changed."""
