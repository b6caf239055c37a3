"""A picture: read it, list many, turn it into a tensor and back, draw on it."""
