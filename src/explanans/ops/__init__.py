"""Pure functions on tensors: masking, refinement, targets."""
