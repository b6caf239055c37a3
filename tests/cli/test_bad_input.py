"""Clumsy command lines and configurations: status 2, no traceback, and a message that names what is wrong and the next
step. Nothing is trained and nothing fetched."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.cli.main import main
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved classifier and Explainer of the classes cat and dog, a few pictures, and files of the wrong kind."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("photos", "sorted/cat", "sorted/dog", "empty", "folders/a", "folders/b"):
        (folder / name).mkdir(parents=True)
    for name in ("photos/1.png", "sorted/cat/1.png", "sorted/dog/1.png"):
        Image.new("RGB", (40, 30), (90, 100, 50)).save(folder / name)
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00a\n")
    (folder / "doubled.txt").write_text("cat\ncat\n")
    (folder / "blank.txt").write_text("\n\n")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "config.json").write_text("{")
    (folder / "damaged" / "explanandum.json").write_text("{")
    (folder / "damaged" / "benchmark.json").write_text("{")
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 2})
    explanandum = Explanandum(
        build(source),
        classes=["cat", "dog"],
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.5,) * 3),
        source=source,
    )
    Explainer(explanandum, "compact").save_pretrained(folder / "explainer")
    explanandum.save(folder / "saved")
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return place


FIT = "fit saved folder:sorted --train_split all --validation_split all --run.batch_size 1"
CLASSIFY = "classifier fit explanans:small_resnet folder:sorted --weights null --train_split all --validation_split all"
MEASURE = "benchmark --data folder:sorted --classifiers.mine saved --methods.grad_cam {}"
BOX = "surrogate fit saved folder:sorted"

LINES = [
    # The command
    ("dance", "'dance'", "explanans --help lists them"),
    ("explian saved photos", "'explian saved'", "did you mean 'explain'"),
    ("data vox", "'data vox'", "did you mean 'data voc'"),
    ("classifier", "", ""),
    ("--verison", "'--verison'", "explanans --help lists them"),
    ("", "", ""),
    # What is missing or too much
    ("fit", "CLASSIFIER and DATA missing", "write explanans fit CLASSIFIER DATA"),
    ("fit saved", "DATA missing", "write explanans fit"),
    ("explain saved", "IMAGES missing", "write explanans explain WHO IMAGES..."),
    ("report", "FOLDER missing", "write explanans report FOLDER"),
    ("data scenes a b", "'b' is one argument too many", "write explanans data scenes FOLDER"),
    ("data scenes a --size 48 96", "'96'", "a second value of an option that takes one"),
    ("recipes all", "'all'", "write explanans recipes"),
    ("demo now", "'now'", "write explanans demo"),
    # Empty words, as of a variable that is not set
    ("explain '' photos", "WHO is empty", "give a value"),
    ("explain saved ''", "IMAGES is empty", "perhaps a variable of the shell that is not set"),
    ("explain saved photos ''", "IMAGES is empty", "give a value"),
    ("fit '' folder:sorted", "CLASSIFIER is empty", "give a value"),
    ("fit saved ''", "DATA is empty", "give a value"),
    ("data scenes ''", "FOLDER is empty", "give a value"),
    ("card ''", "EXPLAINER is empty", "give a value"),
    ("export ''", "EXPLAINER is empty", "give a value"),
    ("report ''", "FOLDER is empty", "give a value"),
    (f"{FIT} --out ''", "--out is empty", "give a value"),
    (f"{FIT} --out=", "--out is empty", "give a value"),
    # Options that are none
    ("data scenes a --sise 64", "--sise", "did you mean --size"),
    ("data scenes a -size 64", "-size", "--help lists them"),
    (f"{FIT} --epochs 3", "--epochs", "did you mean --run.max_epochs"),
    (f"{FIT} --learning_rate 1", "--learning_rate", "did you mean --optimizer.lr"),
    (f"{FIT} --run.epoch 3", "--run.epoch", "did you mean --run.max_epochs"),
    (f"{FIT} --optimiser.lr 1", "--optimiser.lr", "did you mean --optimizer.lr"),
    (f"{FIT} --calibration.image 1", "--calibration.image", "did you mean --calibration.images"),
    (f"{FIT} --preprocessing.sise 3", "--preprocessing.sise", "did you mean --preprocessing.size"),
    (f"{MEASURE} --metric kept", "--metric", "did you mean --metrics"),
    (f"{MEASURE} --methods.grad_cam.layre x", "--methods.grad_cam.layre='x'", "give settings such as"),
    ("explain saved photos --treshold 0.5", "--treshold", "did you mean --threshold"),
    ("export explainer --int16", "--int16", "--help lists them"),
    ("data voc --years 2007", "--years", "did you mean --year"),
    ("recipes --all", "--all", "--help lists them"),
    # Values of another type
    ("data scenes a --size", "--size has no value", "give a whole number after it"),
    ("data scenes a --size --quiet", "--size has no value", "give a whole number after it"),
    ("data scenes a --size big", "--size='big'", "give a whole number"),
    ("data scenes a --size 64.0", "--size='64.0'", "give a whole number"),
    ("data scenes a --size 6_4", "--size='6_4'", "give a whole number"),
    ("data scenes a --size null", "--size='null'", "give a whole number"),
    ("data scenes a --size 1e99", "--size='1e99'", "give a whole number"),
    (f"data scenes a --seed {'9' * 400}", "--seed=", "give a whole number"),
    ("data scenes a --quiet=perhaps", "--quiet='perhaps'", "give true or false"),
    ("data scenes a --quiet perhaps", "'perhaps'", "one argument too many"),
    ("data voc --year 2008", "--year='2008'", "give one of 2007, 2012"),
    ("demo --seed x", "--seed='x'", "give a whole number"),
    ("demo --threads many", "--threads='many'", "give a whole number or one of auto"),
    (f"{FIT} --run.batch_size null", "--run.batch_size='null'", "give a whole number"),
    (f"{FIT} --run.max_epochs many", "--run.max_epochs='many'", "give a whole number"),
    (f"{FIT} --run.min_delta nan", "--run.min_delta='nan'", "give a finite number"),
    (f"{FIT} --optimizer.lr inf", "--optimizer.lr='inf'", "give a finite number"),
    (f"{FIT} --optimizer.schedule linear", "--optimizer.schedule='linear'", "give one of constant, cosine"),
    (f"{FIT} --run.cache=perhaps", "--run.cache='perhaps'", "give true or false"),
    (f"{FIT} --run 3", "--run=3", "or a YAML file with them"),
    (f"{FIT} --run nowhere.yaml", "--run='nowhere.yaml'", "or a YAML file with them"),
    (f"{FIT} --run '{{max_epoch: 3}}'", "'max_epoch'", "did you mean 'max_epochs'"),
    (f"{FIT} --run binary.txt", "binary.txt is no text in UTF-8", "save it as UTF-8"),
    (f"{FIT} --activation sigmod", "--activation='sigmod'", "give one of sigmoid, softmax or null"),
    (f"{FIT} --augment flop", "--augment='flop'", "give one of none, flip"),
    (f"{FIT} --preprocessing 3", "--preprocessing=3", "give settings such as {size: …} or null"),
    (f"{FIT} --preprocessing.size 3", "mean and std missing", "it needs size, mean, std"),
    (f"{FIT} --preprocessing.size big", "--preprocessing.size=['big']", "give a whole number"),
    (f"{FIT} --preprocessing '{{size: 3, mean: 1, std: 1}}'", "mean=1", "give a list of values"),
    (f"{FIT} --preprocessing '{{size: 0, mean: [0], std: [1]}}'", "size=0", "give the side of a square"),
    (f"{FIT} --objective_options 3", "--objective_options=3", "give settings such as {name: value}"),
    (f"{FIT} --objective_options '{{area_weight: 1'", "--objective_options, line 1", "Mend that line"),
    (f"{FIT} --objective_options '{{a: 1, a: 2}}'", "'a' is given twice", "leave one of them out"),
    (f"{FIT} --objective_options+ 3", "--objective_options+", "write --objective_options VALUE"),
    (f"{FIT} --print_config=all", "'all' is unknown", "write --print_config or"),
    (f"{CLASSIFY} --mean 0.5", "--mean=[0.5]", "give 3 values, each a finite number"),
    (f"{CLASSIFY} --mean '[0.5, x, 1]'", "--mean='x'", "give a finite number"),
    (f"{CLASSIFY} --mean 0.5,0.5,0.5", "std=None", "give both or neither"),
    (f"{CLASSIFY} --arguments 3", "--arguments=3", "give settings such as"),
    (f"{CLASSIFY} --size 0", "size=0", "give a whole number of at least 1"),
    (f"{CLASSIFY} --hidden 2", "hidden=2.0", "give a number in [0, 1]"),
    (f"{MEASURE} --classifiers saved", "--classifiers='saved'", "give settings such as {name: value}"),
    (f"{MEASURE} --methods [a]", "--methods=['a']", "give settings such as {name: value}"),
    (f"{MEASURE} --methods.grad_cam null", "--methods.grad_cam=null", "give settings such as {method: …}"),
    (f"{MEASURE} --methods.grad_cam.subset some", "--methods.grad_cam.subset='some'", "give one of all, shared"),
    (f"{MEASURE} --methods.grad_cam '{{subst: all}}'", "'subst' is no option", "did you mean 'subset'"),
    (f"{MEASURE} --cost_seconds nan", "--cost_seconds='nan'", "give a finite number"),
    (f"{MEASURE} --limit some", "--limit='some'", "give a whole number or null"),
    ("explain saved photos --format jpeg", "--format='jpeg'", "give one of folders, parquet"),
    ("explain saved photos --gpus some", "--gpus='some'", "give a finite number"),
    # Values out of range
    ("data scenes a --size 3", "size=3", "give a larger size"),
    ("data scenes a --train -1", "train=-1", "give a whole number, 0 or above"),
    ("data scenes a --train 0 --val 0 --test 0", "all 0", "ask for at least one scene"),
    ("data scenes a --workers -1", "workers=-1", "give a whole number"),
    ("demo --seed -1", "seed=-1", "give a whole number from 0"),
    (f"{FIT} --run.seed -1", "run.seed=-1", "give a whole number from 0"),
    (f"{FIT} --run.seed {2**40}", f"run.seed={2**40}", "give a whole number from 0"),
    (f"{FIT} --run.max_epochs 0", "run.max_epochs=0", "give a whole number of at least 1"),
    (f"{FIT} --optimizer.weight_decay -1", "optimizer.weight_decay=-1", "give a number in [0,"),
    (f"{FIT} --optimizer.lr 1e30", "optimizer.lr=1e+30", "give a number in (0, 1]"),
    (f"{FIT} --objective_options.area_weight much", "area_weight='much'", "give a finite number"),
    (f"{FIT} --objective_options.area_weight -1", "area_weight=-1", "give a number of at least 0"),
    (f"{FIT} --objective_options.area_wight 1", "'area_wight'", "did you mean 'area_weight'"),
    (f"{FIT} --objective_options.area_weight .nan", "area_weight=nan", "give a finite number"),
    (f"{FIT} --objective gided", "objective='gided'", "did you mean 'guided'"),
    (f"{MEASURE} --seed -1", "seed=-1", "must be at least 0"),
    (f"{MEASURE} --metrics keep", "'keep'", "take of classes"),
    ("explain saved photos --threshold 2", "threshold=2.0", "must lie in [0, 1]"),
    ("explain saved photos --top_k 0", "top_k=0", "from 1 up"),
    ("explain saved photos --threads 100000", "threads=100000", "from 1 to 1024"),
    ("explain saved photos --batch_size 0", "batch_size=0", "at least 1"),
    # Who and what is named
    ("explain nowhere photos", "'nowhere'", "take one of timm:NAME"),
    ("explain photos photos", "photos is no saved classifier", "Save one with"),
    ("explain damaged photos", "damaged/config.json", "save the Explainer again"),
    ("explain timm:resnet photos", "'resnet'", "close to it"),
    ("explain timm: photos", "'timm:' names none", "write it after the colon"),
    ("explain timm:resnet10t photos", "timm:resnet10t", "--weights FILE"),
    (
        "explain 'timm:resnet10t?checkpoint_path=x' photos",
        "'checkpoint_path' is no option",
        "its options are num_classes",
    ),
    ("explain 'timm:resnet10t?pretrained=1' photos", "'pretrained' is no option", "its options are num_classes"),
    ("explain 'timm:resnet10t?pad_type' photos", "'pad_type' has no value", "write pad_type=VALUE"),
    ("explain 'timm:resnet10t?img_size=8&img_size=8' photos", "'img_size' is given twice", "leave one out"),
    ("explain torchvision:resnet19 photos", "'resnet19'", "did you mean 'resnet1"),
    ("explain hf:nobody/nothing photos", "'hf:nobody/nothing'", "put config.json"),
    ("explain onnx:nowhere.onnx photos", "nowhere.onnx is no file", "give the file"),
    ("explain 'onnx:x.onnx?output=' photos", "'output' has no value", "write output=VALUE"),
    ("explain os:getcwd photos", "'os:getcwd' returned a str", "must return a torch.nn.Module"),
    ("explain function:os:getcwd photos", "'function:os:getcwd'", "say what it returns"),
    ("explain saved nowhere.zip", "nowhere.zip does not exist", "give files, folders"),
    ("explain saved empty", "empty", "looked for"),
    ("explain saved 'folders/*'", "folders/*", "holds no picture"),
    ("explain saved 'photos/*.gif'", "photos/*.gif", "give files, folders or other patterns"),
    ("explain saved photos --classes cow", "classes: 'cow' is not a class", "the classes are 'cat', 'dog'"),
    ("explain saved photos --classes dgo", "classes: 'dgo' is not a class", "did you mean 'dog'"),
    ("explain saved photos --classes binary.txt", "classes='binary.txt' is no text in UTF-8", "one class per line"),
    ("explain saved photos --classes nowhere.txt", "classes='nowhere.txt' is no file", "a class per line, or names"),
    ("explain saved photos --method gard_cam", "gard_cam", "grad_cam"),
    ("explain saved photos --out binary.txt", "binary.txt is a file", "name a folder"),
    ("explain saved photos --out s3://bucket/masks --format folders", "not into s3://bucket/masks", "take parquet"),
    ("explain saved photos --format parquet --out ftp://b/m", "out=ftp://b/m cannot be opened", "check the address"),
    (f"{FIT} --network compact --out s3://bucket/run", "out=s3:/bucket/run is an address", "and copy it there"),
    ("data scenes s3://bucket/scenes", "s3:/bucket/scenes is an address", "and copy it there"),
    ("export explainer --out s3://bucket/onnx", "out=s3:/bucket/onnx is an address", "and copy it there"),
    ("explain saved photos --format parquet --out photos", "photos holds other things", "name a new folder"),
    ("fit saved ~nobody-of-this-name/x", "~nobody-of-this-name", "write the path out"),
    ("fit saved scenes:~nobody-of-this-name/x", "~nobody-of-this-name", "write the path out"),
    ("fit saved scene:photos", "unknown scheme 'scene'", "write voc:PATH"),
    ("fit saved folder:empty", "empty has no sub-folder", "it needs one per class"),
    ("fit saved 'voc:2007?tusk=main'", "'tusk' is no option", "did you mean 'task'"),
    ("fit saved folder:sorted --train_split test", "split='test'", "take 'all'"),
    (f"{FIT} --classes binary.txt", "classes='binary.txt' is no text in UTF-8", "give a text file"),
    (f"{FIT} --classes doubled.txt", "['cat'] occur twice", "give C unique names"),
    (f"{FIT} --classes blank.txt", "the list is empty", "give C unique names"),
    (f"{FIT} --network compct", "network='compct'", "did you mean 'compact'"),
    (
        f"{FIT} --network 'light/mobilenetv2_100?checkpoint_path=x' --encoder_weights null",
        "'checkpoint_path'",
        "its options",
    ),
    (f"{FIT} --network 'trunk?width=wide'", "width='wide'", "give a whole number of at least 1"),
    (f"{FIT} --encoder_weights nowhere.pth", "nowhere.pth", "give a .safetensors file"),
    (f"{FIT} --network compact --out binary.txt", "binary.txt is a file", "name a folder"),
    (f"{CLASSIFY} --classes cat,cow", "'cow' is unknown", "has cat, dog"),
    (f"{CLASSIFY} --arguments.checkpoint_path x", "'checkpoint_path' is no option", "its options are num_classes"),
    (f"{CLASSIFY} --arguments.widths x", "widths='x'", "give a list of values"),
    (f"{CLASSIFY.replace('small_resnet', 'small')}", "explanans:small;", "take one of"),
    ("classifier fit onnx:x folder:sorted --weights null --train_split all", "'onnx:x' is finished", "take timm:NAME"),
    (f"{BOX} --calls 3", "calls=3", "leave at least batch_size"),
    ("benchmark", "data is empty", "name a data set"),
    ("benchmark --data folder:sorted", "classifiers is empty", "give at least one"),
    ("benchmark --data folder:sorted --classifiers.a/b saved --methods.grad_cam {}", "'a/b'", "take letters"),
    ("benchmark --data folder:sorted --classifiers.a saved --methods.gard_cam {}", "'gard_cam'", "take one of"),
    ("report photos", "photos is no result of a benchmark", "Make one: explanans benchmark"),
    ("report damaged", "benchmark.json", ""),
    ("report damaged --photos 'one label'", "--photos chooses", "name its columns, or leave it out"),
    ("report damaged --classifier mine", "--classifier chooses", "name its columns, or leave it out"),
    ("report damaged --images shared", "--images chooses", "name its columns, or leave it out"),
    ("report damaged --columns kept --out new", "--out is for the page", "leave one of them out"),
    ("report damaged --columns kept --data folder:sorted", "--data is for the page", "leave one of them out"),
    ("export photos", "photos is no saved Explainer", "Save one with"),
    ("export damaged", "config.json", "again"),
    ("export explainer --int8", "int8", "needs --calibration_images FOLDER"),
    ("export explainer --check_images empty", "empty", "looked for"),
    ("card photos", "photos is no saved Explainer", "Save one with"),
    ("card nowhere", "nowhere is no folder", "give one that 'explanans fit' saved"),
    ("data scenes binary.txt", "binary.txt is a file", "name a folder"),
    ("data scenes photos", "photos", "name a new folder"),
    ("data voc photos --part birds", "'birds' is unknown", "has the parts trainval, test"),
    ("data voc photos --part trainval,", "'' is unknown", "has the parts trainval, test"),
    ("data voc ~nobody-of-this-name/x", "~nobody-of-this-name", "write the path out"),
    ("data voc binary.txt", "binary.txt", "name another"),
    ("data coco nowhere --lists_only", "nowhere", "give a folder of COCO-2014"),
    ("data cub photos --part trainval", "'trainval' is unknown", "has the parts images, segmentations"),
    ("demo --out binary.txt", "out=binary.txt is a file", "name a folder"),
    ("fit --config voc2007-vgg19", "'voc2007-vgg19' is neither a file nor a recipe", "voc2007-vgg16"),
    ("explain --config voc2007-vgg16", "'voc2007-vgg16'", "explain has no recipes"),
    ("fit --config", "--config has no value", "give a YAML file or a recipe"),
    ("fit --config photos", "'photos' is neither a file nor a recipe", "the recipes of 'explanans fit' are"),
    (f"explain saved {'x' * 5000}", "x", "name another file or folder"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("line", "named", "step"), LINES, ids=[line[:60] for line, _, _ in LINES])
def test_a_clumsy_line_is_answered(
    line: str, named: str, step: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(line)) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert named in error
    assert step in error


CONFIGS: list[tuple[str, bytes, str, str]] = [
    ("a bomb", LAUGHS.encode(), "its aliases stand for more than 100,000 values", "write out what is needed"),
    ("an alias of itself", b"run: &a [*a]\n", "an alias holds itself", "write the values out"),
    ("a name twice", b"out: a\nout: b\n", "line 2: 'out' is given twice", "leave one of them out"),
    ("a name twice inside", b"run:\n  seed: 1\n  seed: 2\n", "line 3: 'seed' is given twice", "leave one of them out"),
    ("bytes", b"\x80\x81\x82", "is no text in UTF-8 (byte 0)", "save it as UTF-8"),
    ("UTF-16", "out: x\n".encode("utf-16"), "is no text in UTF-8 (byte 0)", "save it as UTF-8"),
    ("Latin-1", "out: Größe\n".encode("latin-1"), "is no text in UTF-8 (byte 7)", "save it as UTF-8"),
    ("a picture", b"\x89PNG\r\n\x1a\n\x00\x00", "is no text in UTF-8", "save it as UTF-8"),
    ("nothing", b"", "is empty", "write a line NAME: VALUE for each option"),
    ("a comment", b"# nothing\n", "is empty", "write a line NAME: VALUE"),
    ("a word", b"compact\n", "has no names of options", "write a line NAME: VALUE"),
    ("a list", b"- network: compact\n", "has no names of options", "write a line NAME: VALUE"),
    ("a number for a name", b"3: compact\n", "has no names of options", "write a line NAME: VALUE"),
    ("no YAML", b"out: [a\n", "line 2", "Mend that line"),
    ("a tab", b"\tout: a\n", "line 1", "Mend that line"),
    ("two documents", b"out: a\n---\nout: b\n", "another document", "Mend that line"),
    ("code", b"out: !!python/object/apply:os.system [echo]\n", "line 1", "Mend that line"),
    ("many levels", b"out: " + b"[\n" * 20_000, "too many levels", "Write plain names and values"),
    ("a slip", b"netwrok: compact\n", "netwrok", "did you mean --network"),
    ("another command's", b"folder: x\n", "folder", "--help lists them"),
    ("a slip inside", b"run: {epochs: 3}\n", "run.epochs", "did you mean --run.max_epochs"),
    ("no group", b"run: 3\n", "run=3", "give settings such as {max_epochs: …}"),
    ("null for a group", b"run: null\n", "run=null", "give settings such as {max_epochs: …}"),
    ("null for a number", b"run: {batch_size: null}\n", "run.batch_size=null", "give a whole number"),
    ("null for text", b"out: null\n", "out=null", "give text"),
    ("a word for a number", b"optimizer: {lr: fast}\n", "optimizer.lr='fast'", "give a finite number"),
    ("NaN", b"optimizer: {lr: .nan}\n", "optimizer.lr=nan", "give a finite number"),
    ("infinity", b"run: {min_delta: .inf}\n", "run.min_delta=inf", "give a finite number"),
    ("a truth for a number", b"run: {seed: yes}\n", "run.seed=True", "give a whole number"),
    ("a number for text", b"out: 2007\n", "out=2007", "put it into quotes"),
    ("a truth for text", b"augment: no\n", "augment=False", "give one of none, flip"),
    ("a list for text", b"out: [a, b]\n", "out=['a', 'b']", "give text"),
    ("a list for a number", b"run: {seed: [1, 2]}\n", "run.seed=[1, 2]", "give a whole number"),
    ("text for a switch", b"quiet: 'yes'\n", "quiet='yes'", "give true or false"),
    ("NaN for an objective", b"objective_options: {area_weight: .nan}\n", "area_weight=nan", "give a finite number"),
    ("a word for an objective", b"objective_options: {area_weight: much}\n", "area_weight='much'", "give a finite"),
    ("half a preprocessing", b"preprocessing: {size: 32}\n", "mean and std missing", "it needs size, mean, std"),
    ("a class of its own", b"preprocessing: {class_path: os.system}\n", "'class_path' is no option", "size, mean, std"),
    ("a NUL byte", b'out: "a\\0b"\n', "NUL byte", "leave it out"),
    ("a seed", b"run: {seed: -1}\n", "run.seed=-1", "give a whole number from 0"),
]


SPLITS = ("--train_split=all", "--validation_split=all", "--run.batch_size=1")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "named", "step"), [case[1:] for case in CONFIGS], ids=[case[0] for case in CONFIGS]
)
def test_a_clumsy_configuration_is_answered(
    content: bytes, named: str, step: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "clumsy.yaml"
    file.write_bytes(content)
    assert main(["fit", "saved", "folder:sorted", *SPLITS, "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert named in error
    assert step in error


def test_a_nul_byte_is_refused_wherever_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (["fit", "a\0b", "c"], ["fit", "saved", "folder:\0"], ["fit", "saved", "x", "--out", "a\0b"])
    for words in (*lines, ["explain", "saved", "photos", "a\0.png"], ["data", "scenes", "a\0b"]):
        assert main(words) == 2
        assert "has a NUL byte" in capsys.readouterr().err


def test_a_name_that_is_no_utf_8_is_taken_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (40, 30)).save(here / "plain.png")
    (here / "plain.png").rename(here / name)
    assert main(["explain", "explainer", name, "--top_k=1", "--out", os.fsdecode(b"out\xe9")]) == 0
    captured = capsys.readouterr()
    assert r"caf\xe9.png" in captured.out
    assert r"out\xe9" in captured.out
    assert main(["explain", "explainer", os.fsdecode(b"no\xe9.png"), "--out", "new"]) == 1
    assert r"failed: no\xe9.png: no such file" in capsys.readouterr().err
    assert main(["explain", "explainer", os.fsdecode(b"no\xe9.zip"), "--out", "newer"]) == 2
    assert r"no\xe9.zip does not exist" in capsys.readouterr().err


def test_names_send_no_codes_to_the_terminal(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    red = "\x1b[31mred\x07"
    source = Source("explanans:small_resnet", {"num_classes": 2})
    explanandum = Explanandum(
        build(source),
        classes=[red, "dog"],
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.5,) * 3),
        source=source,
    )
    Explainer(explanandum, "compact").save_pretrained(tmp_path / "explainer")
    Image.new("RGB", (40, 30)).save(tmp_path / f"{red}.png")
    words = ["explain", str(tmp_path / "explainer"), str(tmp_path / f"{red}.png"), "--top_k=2", "--format=folders"]
    assert main([*words, "--out", str(tmp_path / red)]) == 0
    for line in (["fit", red, "x"], [red], ["fit", "saved", "x", f"--{red}"], ["explain", "saved", f"{red}.png"]):
        assert main(line) == 2
    captured = capsys.readouterr()
    assert r"\x1b[31mred\x07" in captured.out
    assert "\x1b" not in captured.out + captured.err
    assert "\x07" not in captured.out + captured.err
