"""Fetch what was published: transfer, check, unpack."""
