"""The trained network: predict masks, save them, share them."""
