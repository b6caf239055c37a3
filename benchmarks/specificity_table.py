"""The matrices of class specificity of a benchmark, in percent, as the paper's authors published theirs.

    python benchmarks/specificity_table.py RUN

Row r, column c: the mean softmax probability of class r on photos of class r, masked for class c. First the mean of the
diagonal (own mask: high is good) and the mean off it (another class's mask: 100 / C is chance).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from explanans.benchmark import Results


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="folder of a benchmark that measured specificity")
    results = Results.open(parser.parse_args(words).run)
    for classifier in results.classifiers:
        names = results.classes(classifier)
        for method in results.methods:
            matrix = 100 * results.specificity(classifier, method)
            if np.isnan(matrix).all():
                parser.error(f"{results.title(method)} has no specificity; add it to the benchmark's metrics.")
            own, other = np.nanmean(np.diag(matrix)), np.nanmean(matrix[~np.eye(len(matrix), dtype=bool)])
            print(f"{results.title(method)}: diagonal {own:.2f}, off it {other:.2f}")
            for name, row in zip(names, matrix.tolist(), strict=True):
                print(f"  {name:>16} " + " ".join(f"{value:6.2f}" for value in row))


if __name__ == "__main__":
    main()
