"""From maps to what a user gets: masks, receipts, figures."""
