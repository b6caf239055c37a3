"""Methods × metrics over a data set, under one protocol."""

from explanans.benchmark.evaluate import evaluate
from explanans.benchmark.evaluation import Evaluation, MethodResult

__all__ = ["Evaluation", "MethodResult", "evaluate"]
