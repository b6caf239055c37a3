"""Several steps in a row, for the demo and the model card."""
