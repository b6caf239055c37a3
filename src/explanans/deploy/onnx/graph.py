"""Write an Explainer as ONNX, alone or with its classifier in one graph."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from explanans.classifiers.class_names import read_classes
from explanans.deploy.onnx.check import FINISHED_TOLERANCE, TOLERANCE, Check, compare
from explanans.deploy.onnx.finish import Finish
from explanans.deploy.onnx.modules import FromImages, FromPictures
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.networks.heads import narrowed
from explanans.explainers.refining import TOGETHER
from explanans.ops.targets import class_index
from explanans.utils.files import atomic_file, scratch_folder
from explanans.version import __version__

OPSET = 18
ELSEWHERE = 0.02
"""Share of finished masks that may be cut elsewhere than by PyTorch."""
What = Literal["masks", "both"]


@dataclass(frozen=True)
class Exported:
    """The file, and how far it is from PyTorch."""

    path: Path
    check: Check


def export_onnx(
    explainer: Explainer,
    path: str | Path,
    *,
    what: What = "both",
    classes: str | Sequence[str] | None = None,
    preprocessing: Literal["outside", "inside"] = "outside",
    dynamic_size: bool = False,
    finish: bool = False,
    pictures: Sequence[Any] = (),
    tolerance: float | None = None,
) -> Exported:
    """Write ``path``, once the graph has given the same numbers as PyTorch.

    Batch norms are folded first. The input is called ``images``, (batch, channels, H, W) floats, normalised; or with
    ``preprocessing="inside"`` ``pictures``, (batch, height, width, 3) uint8 of any size. The outputs are
    ``probabilities`` (batch, C) and ``masks`` (batch, C, H, W) in [0, 1]. The batch is free. The model's metadata have
    the classes, those of the masks, the preprocessing, how masks are finished, and the classifier's hash.

    Args:
        explainer: a trained one.
        path: the file to write.
        what: "masks", or "both": classifier and Explainer as one graph.
        classes: that get a mask, in the order of the masks: names, or one text with commas between them, or a file;
            None for all. The graph makes the masks of these alone, and the probabilities of all classes.
        preprocessing: where pictures are resized and normalised: "outside" (the graph takes normalised images), or
            "inside" (it takes uint8 pictures of any size).
        dynamic_size: leave height and width of ``images`` free too, where the networks allow it.
        finish: finish every mask on its own picture, as ``explain`` does: less what belongs to another class that is
            seen (``compete``), carried along the classifier's features (``refine``) and moved to edges (``reach``), as
            far as the Explainer is calibrated for it. The classifier's layers that are read are then in the graph,
            whatever ``what`` is, and time and memory grow with the masks, of which there may be 64.
        pictures: photos to compare on (anything that :func:`explanans.images.reading.read_image` takes); without any,
            generated ones.
        tolerance: largest difference of a mask value or a probability; None takes 1e-4, and 1e-3 of masks that are
            finished. Of those 2 in 100 may be cut elsewhere, where two cuts are as good up to rounding.

    Raises:
        InputError: onnx is not installed, a class is unknown or named twice, masks are to be finished that cannot be,
            the networks cannot be exported in this way, or the graph gives other numbers. Nothing is written then.
    """
    _require_onnx()
    if dynamic_size and preprocessing == "inside":
        raise InputError("dynamic_size: pictures of any size are resized inside; leave one of the two out.")
    columns = None if classes is None else _columns(classes, explainer.classes)
    if finish:
        _check_finish(explainer, len(explainer.classes) if columns is None else len(columns), dynamic_size)
    if tolerance is None:
        tolerance = FINISHED_TOLERANCE if finish else TOLERANCE
    quick = explainer.folded().eval().cpu()
    size = quick.explanandum.preprocessing
    # Masks that compete need those of their rivals, whether or not these are wanted.
    answered, kept = (None, columns) if finish and quick.competes else (columns, None)
    if answered is not None:
        quick.network = narrowed(quick.network, torch.tensor(answered))
    count = None if answered is None else len(answered)
    finishing = Finish(quick, kept) if finish else None
    moves = [] if finishing is None else finishing.moves
    module: nn.Module = FromImages(quick, count, finishing, what == "both")
    names = ["probabilities", "masks"] if what == "both" else ["masks"]
    if preprocessing == "inside":
        module, given, name = FromPictures(module, size), _some_pictures(), "pictures"
    else:
        given, name = torch.rand(2, size.channels, size.height, size.width), "images"
    free = {0: "batch"} | ({1: "height", 2: "width"} if preprocessing == "inside" else {})
    free |= {2: "height", 3: "width"} if dynamic_size else {}
    with scratch_folder(path) as folder:
        made = folder / "model.onnx"
        _trace(module.eval(), given, made, name, names, free)
        _describe(made, quick, what, preprocessing, columns, finish)
        check = compare(
            made,
            module,
            size,
            pictures,
            inside=preprocessing == "inside",
            dynamic_size=dynamic_size,
            tolerance=tolerance,
            moves=moves,
        )
        if not check.difference <= tolerance:
            raise InputError(
                f"export: the graph differs from PyTorch by {check.difference:.2e} on {check.images} images, more than "
                f"tolerance={tolerance:g}; nothing was written. "
                + ("Take a fixed size." if dynamic_size else "Please report the network.")
            )
        if check.cut_elsewhere > max(1, ELSEWHERE * check.masks):
            raise InputError(
                f"export: {check.cut_elsewhere} of {check.masks} masks are cut elsewhere than by PyTorch; nothing was "
                "written. Leave finish out, and report the network."
            )
        with atomic_file(path) as temporary:
            shutil.copyfile(made, temporary)
    return Exported(Path(path), check)


def _trace(module: nn.Module, given: Tensor, path: Path, name: str, outputs: list[str], free: dict[int, str]) -> None:
    """PyTorch's newer exporter; its older one where height and width are free, because the newer one reasons about the
    padding of some networks without end."""
    sized = name == "images" and len(free) > 1
    try:
        with torch.no_grad(), _silent():
            if sized:
                torch.onnx.export(
                    module,
                    (given,),
                    str(path),
                    dynamo=False,
                    input_names=[name],
                    output_names=outputs,
                    dynamic_axes={name: free, **{output: {0: "batch"} for output in outputs}},
                    opset_version=OPSET,
                )
            else:
                program = torch.onnx.export(
                    module,
                    (given,),
                    dynamo=True,
                    verbose=False,
                    input_names=[name],
                    output_names=outputs,
                    dynamic_shapes=(free,),
                    opset_version=OPSET,
                )
                assert program is not None
                program.save(str(path))
    except (InputError, OSError):
        # A full disk is nothing that the network can do about.
        raise
    except Exception as error:
        # PyTorch wraps its reasons, the innermost of which says what is wrong.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        first = " ".join(str(cause).split())[:300] or type(cause).__name__
        hint = " Take a fixed size." if sized else ""
        raise InputError(f"export: PyTorch cannot write this network as ONNX ({first}).{hint}") from error


def _columns(wanted: str | Sequence[str], classes: Sequence[str]) -> list[int]:
    return [class_index(name, classes) for name in read_classes(wanted)]


def _check_finish(explainer: Explainer, masks: int, dynamic_size: bool) -> None:
    if not Finish.changes(explainer):
        raise InputError(
            "finish: this Explainer is not calibrated to finish masks (its refine and reach are 0, and they do not "
            "compete), so that there is nothing to do; leave finish out, or call explainer.calibrate(…, reach=1.5, "
            "refine=1.43) and save it."
        )
    if dynamic_size:
        raise InputError(
            "finish: pictures are enlarged by a fixed amount in the graph; leave one of finish and dynamic_size out."
        )
    if masks > TOGETHER:
        raise InputError(
            f"finish: {masks} masks of a picture at once would fill the memory; name up to {TOGETHER} with classes."
        )


def _describe(
    path: Path, explainer: Explainer, what: str, preprocessing: str, columns: Sequence[int] | None, finish: bool
) -> None:
    import onnx

    model = onnx.load(path)
    identity = explainer.explanandum.identity()
    facts = {
        "classes": list(explainer.classes),
        "mask_classes": [explainer.classes[column] for column in columns or range(len(explainer.classes))],
        "activation": explainer.explanandum.activation,
        "preprocessing": explainer.explanandum.preprocessing.to_dict(),
        "classifier_hash": identity["weights_hash"],
        "outputs": what,
        "preprocessed": preprocessing,
        "finished": (
            {"refine": explainer.refine, "reach": explainer.reach, "compete": explainer.competes} if finish else None
        ),
        "explanans": __version__,
    }
    del model.metadata_props[:]
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _some_pictures() -> Tensor:
    return torch.randint(0, 256, (2, 250, 330, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The exporters print and warn about what is as it should be."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"export: {error.name} is not installed: pip install 'explanans[onnx]'.") from error
