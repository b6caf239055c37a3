"""The paper's recipes with the real networks and random weights, on generated scenes: do they run, how fast, how large?

    python benchmarks/rehearsal.py                       # on the processor: a step, a checkpoint, a resumption, a step
    python benchmarks/rehearsal.py --device cuda --steps 20
    python benchmarks/rehearsal.py --bare                # nothing but a training step: processor time and memory

Of every recipe both commands run as they are, ``explanans classifier fit --config NAME`` and ``explanans fit --config
NAME``, at the recipe's size and batch. What differs is what cannot be had without a network: the pictures are scenes
(with as many class names as the real data has), the classifier starts from a file of random weights, and so does the
mask network. Each command gets as many steps as asked for, is then started again for one more epoch, and so goes on
from its checkpoint; what it saved is loaded and asked for masks.

Printed are seconds per step (by the clock, and of processor time, which a busy machine does not lengthen), the peak
memory of the process, and the size of a checkpoint; then the floating-point operations of a step (those of convolutions
and matrix products, 2 for a multiply-add) against the fastest matrix product that the device was seen to do. On CUDA
also images per second and peak memory at the recipe's batch and at the largest that fits, in float32 and bfloat16.
Every part has a process of its own, because the peak memory of a process never falls.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import yaml
from lightning.pytorch import LightningModule
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from explanans import Explainer, Explanandum
from explanans.cli.main import main as explanans
from explanans.cli.recipes import recipes
from explanans.data.scenes import write_scenes
from explanans.objectives import make_objective
from explanans.objectives.base import classification_loss
from explanans.pipelines.demo import peak_memory
from explanans.training import Optimizer
from explanans.training.backbone import find_head, freeze_before, new_classifier
from explanans.training.classification import ClassifierTraining
from explanans.training.curves import read_curves
from explanans.training.explainer_training import ExplainerTraining

COMMANDS = {"classifier": "classifier fit", "explainer": "fit"}
TRAININGS: dict[str, type[LightningModule]] = {"classifier": ClassifierTraining, "explainer": ExplainerTraining}
CLASSES = {"voc2007": 20, "coco2014": 80, "cub200": 200}
HELD_OUT = 2


@dataclass(frozen=True)
class Plan:
    """What is rehearsed; ``architecture`` and ``network`` stand in for the recipe's own in a quick trial."""

    recipe: str
    size: int = 224
    batch: int = 16
    steps: int = 1
    device: str = "cpu"
    architecture: str | None = None
    network: str | None = None

    @property
    def classes(self) -> int:
        return CLASSES[self.recipe.split("-")[0]]

    def settings(self, stage: str) -> dict[str, Any]:
        """The recipe of a stage, with what stands in."""
        given = yaml.safe_load(recipes(COMMANDS[stage])[self.recipe].read_text(encoding="utf-8"))
        return {**given, **{key: value for key in given if (value := asdict(self).get(key)) is not None}}


def rehearse(plan: Plan, stage: str, folder: Path) -> dict[str, Any]:
    """Train, stop, resume, load. The Explainer's stage needs the classifier's in the same folder before it."""
    settings = plan.settings(stage)
    with contextlib.chdir(folder), stopwatch(TRAININGS[stage], plan.device) as spent:
        scenes = _scenes(plan, folder)
        words = [*COMMANDS[stage].split(), "--config", plan.recipe, "--data", f"scenes:{scenes}", "--quiet"]
        words += ["--train_split=train", "--validation_split=val", "--run.num_workers=0"]
        words += [f"--run.batch_size={plan.batch}", f"--run.accelerator={plan.device}"]
        if stage == "classifier":
            weights = _random_weights(settings["architecture"], plan, folder)
            words += ["--architecture", settings["architecture"], f"--weights={weights}", f"--size={plan.size}"]
        else:
            words += [f"--network={settings['network']}", "--encoder_weights=null", "--verdict.images=0"]
        for epochs in (1, 2):
            if explanans([*words, f"--run.max_epochs={epochs}"]) != 0:
                raise RuntimeError(f"'explanans {' '.join(words)} --run.max_epochs={epochs}' failed")
        out = Path(settings["out"]).resolve()
    checkpoint = out / "last.ckpt"
    steps = torch.load(checkpoint, weights_only=True, mmap=True)["global_step"]
    epochs_seen = [row["epoch"] for row in read_curves(out / "metrics.csv")]
    if steps != 2 * plan.steps or len(spent) != 2 * plan.steps or epochs_seen != [1, 2]:
        raise RuntimeError(
            f"{steps} steps in epochs {epochs_seen}, {len(spent)} of them timed; expected {2 * plan.steps}"
        )
    images = torch.zeros(HELD_OUT, 3, plan.size, plan.size)
    with torch.no_grad():
        answer = (
            Explanandum.load(out / "classifier").probabilities(images)
            if stage == "classifier"
            else Explainer.from_pretrained(out / "explainer")(images)
        )
    expected = (HELD_OUT, plan.classes) + ((plan.size, plan.size) if stage == "explainer" else ())
    if answer.shape != expected or not 0 <= float(answer.min()) <= float(answer.max()) <= 1:
        raise RuntimeError(f"{stage}: {tuple(answer.shape)} from {answer.min()} to {answer.max()}; expected {expected}")
    return {
        "seconds": sum(wall for wall, _ in spent) / len(spent),
        "processor_seconds": sum(processor for _, processor in spent) / len(spent),
        "gigabytes": peak_memory(),
        "checkpoint_gigabytes": checkpoint.stat().st_size / 1e9,
        "answer": list(answer.shape),
    }


@contextmanager
def stopwatch(training: type[LightningModule], device: str) -> Iterator[list[tuple[float, float]]]:
    """Gets (seconds by the clock, seconds of processor time) of every training step while it is open."""
    spent: list[tuple[float, float]] = []
    started: list[tuple[float, float]] = []
    ended = training.on_train_batch_end

    def now() -> tuple[float, float]:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def start(self: LightningModule, batch: Any, index: int) -> None:
        started.append(now())

    def end(self: Any, outputs: Any, batch: Any, index: int) -> None:
        ended(self, outputs, batch, index)
        before, after = started.pop(), now()
        spent.append((after[0] - before[0], after[1] - before[1]))

    with (
        mock.patch.object(training, "on_train_batch_start", start),
        mock.patch.object(training, "on_train_batch_end", end),
    ):
        yield spent


def training_step(plan: Plan, stage: str, batch: int, precision: torch.dtype = torch.float32) -> Callable[[], None]:
    """One training step of a recipe on random pictures, without loading, logging and checkpoints."""
    settings = plan.settings(stage)
    generator = torch.Generator(plan.device).manual_seed(0)
    images = torch.randn(batch, 3, plan.size, plan.size, device=plan.device, generator=generator)
    labels = torch.eye(plan.classes, device=plan.device)[torch.arange(batch, device=plan.device) % plan.classes]
    torch.manual_seed(0)
    module, _, preprocessing = new_classifier(
        plan.settings("classifier")["architecture"], plan.classes, None, plan.size
    )
    activation = plan.settings("classifier")["activation"]
    if stage == "classifier":
        freeze_before(module, find_head(module, plan.classes)[0])
        trained: nn.Module = module.to(plan.device).train()

        def loss() -> Tensor:
            return classification_loss(module(images).float(), labels, activation)
    else:
        names = [str(index) for index in range(plan.classes)]
        explanandum = Explanandum(module, classes=names, activation=activation, preprocessing=preprocessing)
        explainer = Explainer(explanandum, settings["network"], encoder_weights=None).to(plan.device)
        objective = make_objective(settings["objective"], **settings["objective_options"])
        trained = explainer.network.train()

        def loss() -> Tensor:
            logits = trained(images).float()
            return torch.stack([*objective(logits, images, labels, explanandum, 0.0, generator).values()]).sum()

    moving = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimiser = Optimizer(**settings["optimizer"]).build(moving, [], 1)

    def step() -> None:
        with torch.autocast(plan.device, precision, enabled=precision != torch.float32):
            value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()

    return step


def operations(plan: Plan, stage: str) -> float:
    """Floating-point operations of a training step per picture; two pictures stand for all, as the count is linear."""
    step = training_step(plan, stage, 2)
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 2


def matrix_peak(device: str, precision: torch.dtype, side: int, repeats: int = 5) -> float:
    """Operations per second of the fastest of some products of square matrices, by processor time on a processor."""
    matrix = torch.randn(side, side, device=device).to(precision)
    best = float("inf")
    for _ in range(repeats + 1):
        start = _clock(device)
        matrix @ matrix
        best = min(best, _clock(device) - start)
    return 2 * side**3 / best


def throughput(plan: Plan, stage: str, batch: int, precision: torch.dtype, warm_up: int = 3) -> dict[str, float]:
    """Pictures per second of bare training steps, and on CUDA the peak of the memory that they hold."""
    step = training_step(plan, stage, batch, precision)
    for _ in range(warm_up):
        step()
    start = _clock(plan.device)
    for _ in range(plan.steps):
        step()
    seconds = _clock(plan.device) - start
    held = torch.cuda.max_memory_allocated() / 1e9 if plan.device == "cuda" else peak_memory()
    return {"batch": batch, "images_per_second": batch * plan.steps / seconds, "gigabytes": held}


def largest_batch(fits: Callable[[int], bool], unit: int, limit: int = 8192) -> int:
    """The largest multiple of ``unit`` that fits, or ``limit``; 0 if one unit does not. Doubled first, then halved."""
    low, high = 0, unit
    while high <= limit and fits(high):
        low, high = high, 2 * high
    if low == 0 or high > limit:
        return low
    while high - low > unit:
        middle = (low + high) // 2 // unit * unit
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def fits_on_cuda(plan: Plan, stage: str, batch: int, precision: torch.dtype) -> bool:
    try:
        training_step(plan, stage, batch, precision)()
        torch.cuda.synchronize()
    except torch.cuda.OutOfMemoryError:
        return False
    finally:
        torch.cuda.empty_cache()
    return True


def largest_throughput(plan: Plan, stage: str, precision: torch.dtype) -> dict[str, float]:
    batch = largest_batch(lambda count: fits_on_cuda(plan, stage, count, precision), plan.batch)
    torch.cuda.reset_peak_memory_stats()
    return throughput(plan, stage, batch, precision)


def _clock(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    # A thread's share of a processor says more than the clock where others use the machine too.
    return time.process_time() / torch.get_num_threads()


def _scenes(plan: Plan, folder: Path) -> Path:
    target = write_scenes(
        folder / f"scenes-{plan.classes}",
        train=plan.batch * plan.steps,
        val=HELD_OUT,
        test=0,
        size=max(48, plan.size),
        quiet=True,
    )
    names = (target / "classes.txt").read_text(encoding="utf-8").split("\n")[:-1]
    names += [f"class {number}" for number in range(len(names) + 1, plan.classes + 1)]
    (target / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return target


def _random_weights(architecture: str, plan: Plan, folder: Path) -> Path:
    torch.manual_seed(0)
    path = folder / f"{plan.recipe}.safetensors"
    save_file(new_classifier(architecture, plan.classes, None, plan.size)[0].state_dict(), path)
    return path


PARTS: dict[str, Callable[..., Any]] = {
    "rehearse": lambda plan, stage, folder: rehearse(plan, stage, Path(folder)),
    "operations": operations,
    "peak": lambda plan, precision, side: matrix_peak(plan.device, getattr(torch, precision), side),
    "throughput": lambda plan, stage, precision, **options: throughput(
        plan, stage, plan.batch, getattr(torch, precision), **options
    ),
    "largest": lambda plan, stage, precision: largest_throughput(plan, stage, getattr(torch, precision)),
}


def in_a_process(part: str, plan: Plan, **arguments: Any) -> Any:
    """The result of a part, from a process of its own."""
    command = [sys.executable, __file__, "--part", json.dumps([part, asdict(plan), arguments])]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"{part} {arguments} failed:\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


def report(plan: Plan, folder: Path, precisions: dict[str, float]) -> None:
    """Rehearse one recipe and print what came of it; ``precisions`` are the peaks of the device by name."""
    for stage, command in COMMANDS.items():
        print(f"\nexplanans {command} --config {plan.recipe}", flush=True)
        result = in_a_process("rehearse", plan, stage=stage, folder=str(folder))
        print(
            f"  {result['seconds']:.1f} s per step ({result['processor_seconds']:.1f} s of processor time), peak "
            f"{result['gigabytes']:.1f} GB, checkpoint {result['checkpoint_gigabytes']:.2f} GB, resumed, answers "
            f"{tuple(result['answer'])}",
            flush=True,
        )
        count = in_a_process("operations", plan, stage=stage) * plan.batch
        share = count / result["processor_seconds"] / precisions["float32"] if plan.device == "cpu" else None
        print(
            f"  {count / 1e12:.2f} TFLOP per step"
            + (f", {count / result['processor_seconds'] / 1e9:.1f} GFLOP/s: {share:.0%} of the peak" if share else ""),
            flush=True,
        )
        if plan.device != "cuda":
            continue
        for precision, peak in precisions.items():
            for part in ("throughput", "largest"):
                speed = in_a_process(part, plan, stage=stage, precision=precision)
                reached = count / plan.batch * speed["images_per_second"]
                print(
                    f"  {precision:9} batch {speed['batch']:5.0f}: {speed['images_per_second']:7.1f} images/s, "
                    f"{speed['gigabytes']:5.1f} GB, {reached / peak:.0%} of the peak",
                    flush=True,
                )


def report_bare(plan: Plan) -> None:
    """Print what bare steps of both stages take."""
    for stage in COMMANDS:
        speed = in_a_process("throughput", plan, stage=stage, precision="float32", warm_up=0)
        seconds = plan.batch / speed["images_per_second"]
        print(f"{plan.recipe} {stage}: {seconds:.1f} s per step, peak {speed['gigabytes']:.1f} GB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["voc2007-vgg16", "voc2007-resnet50"], metavar="NAME")
    parser.add_argument("--steps", type=int, default=1, help="before the resumption, and as many after it")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bare", action="store_true", help="bare training steps only")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part, plan, options = json.loads(arguments.part)
        print(json.dumps(PARTS[part](Plan(**plan), **options)))
        return
    plans = [
        Plan(name, arguments.size, arguments.batch, arguments.steps, arguments.device) for name in arguments.recipes
    ]
    if arguments.bare:
        for plan in plans:
            report_bare(plan)
        return
    names, side = (["float32", "bfloat16"], 8192) if arguments.device == "cuda" else (["float32"], 1024)
    peaks = {name: in_a_process("peak", plans[0], precision=name, side=side) for name in names}
    what = torch.cuda.get_device_name() if arguments.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {what}, {os.cpu_count()} processors, batch {arguments.batch}")
    print("matrix products: " + ", ".join(f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))
    for plan in plans:
        with tempfile.TemporaryDirectory() as folder:
            report(plan, Path(folder), peaks)


if __name__ == "__main__":
    main()
