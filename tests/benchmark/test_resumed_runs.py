"""A benchmark that was killed, interrupted or given more: what is done stays, the rest is as it would have been."""

from __future__ import annotations

import json
import pickle
import signal
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanans.benchmark.results import Results
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import BenchmarkSettings
from explanans.errors import InputError

from ..programs import Programs  # noqa: TID252 - tests are no package with a name

HERE = Path(__file__).parent


def parts(folder: Path) -> dict[str, pa.Table]:
    """What is in every Parquet file, without how long it took."""
    files = sorted(folder.rglob("part-*.parquet"))
    return {str(file.relative_to(folder)): pq.ParquetFile(file).read().replace_schema_metadata(None) for file in files}


KILLED = """
import os, pathlib, pickle, signal, sys
sys.path.insert(0, {here!r})
import benchmark_fakes
from explanans.benchmark.results_folder import Folder
from explanans.benchmark.runner import run_benchmark
write = Folder.write_part

def killed(folder, path, *arguments):
    write(folder, path, *arguments)
    if path.parts[-2:] == ("fails", "part-00001.parquet") and "scores" in path.parts:
        os.kill(os.getpid(), signal.SIGKILL)

Folder.write_part = killed
benchmark_fakes.register()
run_benchmark(pickle.loads(pathlib.Path({settings!r}).read_bytes()), {out!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_killed_it_resumes_without_recomputing(
    everything: BenchmarkSettings, done: Results, fakes: ModuleType, programs: Programs, tmp_path: Path
) -> None:
    settings, out = everything, tmp_path / "killed"
    (tmp_path / "settings").write_bytes(pickle.dumps(settings))
    ended = programs.run(KILLED.format(here=str(HERE), settings=str(tmp_path / "settings"), out=str(out)))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    before = {file: file.stat().st_mtime_ns for file in (*out.rglob("part-*"), *out.rglob("costs/*/*.json"))}
    assert len(Results.open(out).rows("tiny", "fails")) >= 8
    assert not (out / "scores" / "tiny" / "cheap").exists()

    results = run_benchmark(settings, out)
    kept = {file: stamp for file, stamp in before.items() if file.suffix != ".npz"}
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert parts(out) == parts(done.folder)
    assert results.settings["thresholds"] == done.settings["thresholds"]
    assert {m: {n: v.tolist() for n, v in results.maps("tiny", m).items()} for m in results.methods} == {
        m: {n: v.tolist() for n, v in done.maps("tiny", m).items()} for m in done.methods
    }

    # And once more, when all is done: no method is asked for anything.
    fakes.CALLS.clear()
    run_benchmark(settings, out)
    assert fakes.CALLS == []


def test_methods_and_classifiers_are_added_and_nothing_else_changed(make_settings, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_benchmark(make_settings({"evidence": {}}, limit=4), out)
    first = parts(out)
    stamps = {file: file.stat().st_mtime_ns for file in out.rglob("part-*")}
    both = run_benchmark(make_settings({"noise": {"subset": "shared"}}, limit=4), out)
    assert both.methods == ["evidence", "noise"]
    assert [each.images for each in both.summary("iou_soft", subset="shared")] == [4, 4]
    assert list(both.maps("tiny", "noise")) == list(both.maps("tiny", "evidence"))
    more = run_benchmark(make_settings({"evidence": {}}, limit=4, classifiers={"again": str(saved)}), out)
    assert more.classifiers == ["tiny", "again"]
    assert more.rows("again", "evidence").equals(more.rows("tiny", "evidence"))
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    assert {name: table for name, table in parts(out).items() if name in first} == first
    for changes, named in (
        ({"limit": 3}, "settings.limit"),
        ({"limit": 4, "seed": 7}, "settings.seed"),
        ({"limit": 4, "metrics": ["saliency"]}, "settings.metrics"),
        ({"limit": 4, "threshold_split": "train"}, "settings.threshold_split"),
    ):
        with pytest.raises(InputError, match=f"holds a benchmark with other settings: .*{named}.*new folder"):
            run_benchmark(make_settings({"evidence": {}}, **changes), out)
    with pytest.raises(InputError, match=r"methods\.evidence\.settings"):
        run_benchmark(make_settings({"evidence": {"settings": {"scale": 0.5}}}, limit=4), out)
    assert json.loads((out / "benchmark.json").read_text())["settings"]["limit"] == 4


def test_interrupted_by_hand_it_goes_on(make_settings, fakes: ModuleType, tmp_path: Path) -> None:
    settings = make_settings({"evidence": {}}, batch_size=1, limit=5)
    fakes.LIMITS["interrupt"] = 9
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(settings, tmp_path / "out")
    half = len(list((tmp_path / "out").rglob("part-*.parquet")))
    assert 0 < half < 5
    fakes.LIMITS.clear()
    fakes.CALLS.clear()
    assert len(run_benchmark(settings, tmp_path / "out").rows("tiny", "evidence")) == 5
    assert len(fakes.CALLS) == 5 - half
