"""How an Explainer is trained where nobody says: the settings of the photo recipe, whatever the data.

``examples/voc2012-animals`` has what was measured with them. The paper's own settings are recipes by name
(``explanans recipes``).
"""

from __future__ import annotations

from explanans.training.optimizer import Optimizer
from explanans.training.run_settings import Run

OPTIMIZER = Optimizer(
    1e-3, pretrained_factor=0.1, weight_decay=0.01, schedule="cosine", ema_decay=0.99, freeze_statistics=True
)

RUN = Run(max_epochs=None, patience=0, keep="last", gradient_clip_val=5.0, precision="auto", channels_last=True)
"""The length follows from the size of the data; a schedule that ends low needs no early stopping."""
