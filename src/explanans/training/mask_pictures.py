"""What TensorBoard shows while an Explainer is trained: pictures, what its masks keep of them, what they remove."""

from __future__ import annotations

import torch
from lightning.pytorch import Trainer, callbacks
from lightning.pytorch.loggers import TensorBoardLogger

from explanans.data import Batch
from explanans.explainers.networks.heads import class_maps
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.refinement import enlarge
from explanans.training.explainer_training import ExplainerTraining


class MaskPictures(callbacks.Callback):
    """After every epoch a grid for TensorBoard: image, target mask, what it keeps, what it removes."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    @torch.no_grad()
    def on_validation_epoch_end(self, trainer: Trainer, module: ExplainerTraining) -> None:  # type: ignore[override]
        writers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if not trainer.is_global_zero or not writers:
            return
        images, labels = self.batch["image"].to(module.device), self.batch["labels"].to(module.device)
        # The labels' masks alone are enlarged; those of a thousand classes would fill the memory.
        image, column = labels.bool().nonzero(as_tuple=True)
        own = enlarge(class_maps(module.result, images).of(image, column)[:, None], images.shape[-2:])[:, 0].sigmoid()
        target = own.new_zeros(len(images), *images.shape[-2:])
        target = target.scatter_reduce(0, image[:, None, None].expand_as(own), own, "amax")
        preprocessing = module.explainer.explanandum.preprocessing
        mean = make_fill("mean", preprocessing)(images)
        shown = [images, apply_mask(images, target, mean), apply_mask(images, 1 - target, mean)]
        image, kept, removed = (preprocessing.denormalise(each) for each in shown)
        row = torch.cat([image, target[:, None].expand_as(image), kept, removed], dim=3)
        for writer in writers:
            writer.experiment.add_images("image, mask, kept, removed", row.cpu(), trainer.current_epoch)
