"""Methods × metrics over a data set, under one protocol."""

from explanans.benchmark.results import Results
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import BenchmarkSettings, MethodSettings

__all__ = ["BenchmarkSettings", "MethodSettings", "Results", "run_benchmark"]
