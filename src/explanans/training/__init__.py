"""Train an Explainer, and the classifiers that it explains."""

from explanans.errors import TrainingDiverged
from explanans.training.calibration import Calibration, calibrate
from explanans.training.fit_explainer import fit
from explanans.training.optimizer import Optimizer
from explanans.training.run_settings import Run
from explanans.training.surrogates.fit_surrogate import fit_surrogate
from explanans.training.verdict import Verdict

__all__ = ["Calibration", "Optimizer", "Run", "TrainingDiverged", "Verdict", "calibrate", "fit", "fit_surrogate"]
