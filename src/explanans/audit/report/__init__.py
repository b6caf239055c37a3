"""The report to click through: a page of what is suspect, and one for each class; each file stands alone."""
