"""The trained network: predict masks, save them, share them."""

# Enters the Explainer into the list of methods.
from explanans.explainers import method as method
