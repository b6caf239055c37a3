"""Use an Explainer elsewhere: many pictures, ONNX, other tools."""
