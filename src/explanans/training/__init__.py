"""Train an Explainer, and the classifiers that it explains."""

from explanans.training.calibration import Calibration, calibrate
from explanans.training.explainer import fit
from explanans.training.optimisation import Optimisation
from explanans.training.runs import Run, TrainingDiverged
from explanans.training.surrogates.fit import fit_surrogate

__all__ = ["Calibration", "Optimisation", "Run", "TrainingDiverged", "calibrate", "fit", "fit_surrogate"]
