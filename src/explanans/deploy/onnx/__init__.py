"""An Explainer as an ONNX file: written, compared with PyTorch before it is accepted, made smaller with integers."""

from explanans.deploy.onnx.check import Check, check_pictures, compare
from explanans.deploy.onnx.graph import Exported, export_onnx
from explanans.deploy.onnx.quantise import Quantised, quantise

__all__ = ["Check", "Exported", "Quantised", "check_pictures", "compare", "export_onnx", "quantise"]
