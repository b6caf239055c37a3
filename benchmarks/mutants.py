"""Do the tests notice small changes of the code? One change at a time, where a wrong sign would spoil all in silence.

    python benchmarks/mutants.py                             # a random sample of every part, about half an hour
    python benchmarks/mutants.py --only receipts --sample 0  # each mutant of a part

The changes are those of cosmic-ray's operators (another operator, a number more or less, a condition turned round, a
loop that is left). A mutant is killed if a test of its part fails, and survives if all pass; changes of annotations
alone are no mutants. Works on a copy in a temporary folder. Every mutant is tried in a process that is forked from one
that has imported the libraries, but nothing of explanans, which takes a few seconds less each time.

Printed are the survivors as differences, and a line for each part.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import importlib.util
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("lightning", "numpy", "pyarrow", "scipy", "timm", "torchmetrics.functional", "torchvision.transforms.v2")
PATIENCE = 10.0
"""A mutant that takes so many times as long as its tests without one has hung, which a person would notice."""


@dataclass(frozen=True)
class Part:
    """Modules of ``src/explanans``, and the tests that have to notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


PARTS = {
    "objectives": Part(("objectives/*.py",), ("objectives",)),
    "masking, targets, refinement": Part(("ops/*.py",), ("ops",)),
    "receipts": Part(("explanations/receipt.py",), ("explanations/test_receipt.py",)),
    "the cut": Part(("explanations/cut.py",), ("explanations/test_cut.py",)),
    "calibration": Part(
        ("training/calibration.py",), ("training/test_calibration.py", "training/test_calibration_gaps.py")
    ),
    "training step": Part(
        ("training/module.py",),
        (
            "training/test_module.py",
            "training/test_classification.py",
            "training/test_resume.py",
            "training/test_processes.py",
        ),
    ),
}


@dataclass(frozen=True)
class Mutant:
    module: Path
    before: str
    after: str
    operator: str

    def __str__(self) -> str:
        changed = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), n=0, lineterm="")
        return "\n".join([f"survives: {self.module} ({self.operator})", *list(changed)[2:]])


class _Plain(ast.NodeTransformer):
    """Without annotations, which nobody computes."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Constant(None)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node


def plain(code: str) -> str:
    return ast.dump(_Plain().visit(ast.parse(code)))


def mutants_of(module: Path) -> Iterator[Mutant]:
    """Every change by one of cosmic-ray's operators that is more than another annotation.

    ``module`` is the path of the file that is read; it becomes the mutant's.
    """
    code = module.read_text(encoding="utf-8")
    original, tree = plain(code), get_ast(code)
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if kind.arguments():
            continue
        places = sum(1 for node in ast_nodes(tree) for _ in kind().mutation_positions(node))
        for number in range(places):
            changed = mutate_code(code, kind(), number)
            # What no longer parses is no change that anybody would make in silence.
            with contextlib.suppress(SyntaxError):
                if changed is not None and plain(changed) != original:
                    yield Mutant(module, code, changed, name.removeprefix("core/"))


def ordered(copy: Path, part: Part, module: Path) -> list[Path]:
    """The files of tests that have to notice, those of the module itself first."""
    files = []
    for each in part.tests:
        path = copy / "tests" / each
        files += sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    return sorted(files, key=lambda path: not path.stem.startswith(f"test_{module.stem}"))


def passes(copy: Path, tests: list[Path], limit: float) -> bool | None:
    """Whether these tests pass in the copy; None if they have not ended after ``limit`` seconds."""
    process = os.fork()
    if not process:
        status = 3
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            os.setpgid(0, 0)
            os.chdir(copy)
            sys.path.insert(0, str(copy / "src"))
            words = ["-q", "-x", "--assert=plain", "-p", "no:cacheprovider"]
            status = int(pytest.main([*words, *map(str, tests)]))
        finally:
            os._exit(status)
    deadline = time.monotonic() + limit
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, 9)
            os.waitpid(process, 0)
            return None
        time.sleep(0.01)


def survives(mutant: Mutant, copy: Path, tests: list[Path], limit: float) -> bool:
    cached = Path(importlib.util.cache_from_source(str(mutant.module)))
    cached.unlink(missing_ok=True)
    mutant.module.write_text(mutant.after, encoding="utf-8")
    try:
        return passes(copy, tests, limit) is True
    finally:
        mutant.module.write_text(mutant.before, encoding="utf-8")


def interval(survived: int, tried: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, survived / tried
    middle = (share + z**2 / (2 * tried)) / (1 + z**2 / tried)
    half = z / (1 + z**2 / tried) * math.sqrt(share * (1 - share) / tried + z**2 / (4 * tried**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=50, help="mutants of each part, drawn at random; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of parts; all by default")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in LIBRARIES:
        importlib.import_module(name)
    # A mutant and what it replaces may have one size and one second, which is all that kept bytecode is told by.
    sys.dont_write_bytecode = True
    lines, tried, survived = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for name in given.only or PARTS:
            part = PARTS[name]
            paths = sorted(path for each in part.modules for path in (copy / "src/explanans").glob(each))
            begin = time.monotonic()
            if not passes(copy, ordered(copy, part, paths[0]), 3600):
                raise SystemExit(f"{name}: its tests fail without any mutant; run pytest {' '.join(part.tests)}")
            limit = 60 + PATIENCE * (time.monotonic() - begin)
            everything = [mutant for path in paths for mutant in mutants_of(path)]
            draw = random.Random(f"{given.seed} {name}")
            chosen = draw.sample(everything, min(given.sample or len(everything), len(everything)))
            living = 0
            for mutant in chosen:
                if survives(mutant, copy, ordered(copy, part, mutant.module), limit):
                    living += 1
                    print(str(mutant).replace(f"{copy}/", ""), flush=True)
            lines.append(f"{name:30} {len(everything):8} {len(chosen):6} {living:9}")
            print(lines[-1], flush=True)
            tried, survived = tried + len(chosen), survived + living
    low, high = interval(survived, tried)
    print(f"\n{'part':30} {'mutants':>8} {'tried':>6} {'survived':>9}", *lines, sep="\n")
    print(f"{survived / tried:.1%} survive (95 % interval {low:.1%} to {high:.1%}), seed {given.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
