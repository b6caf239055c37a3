import subprocess
import sys

import pytest

from explanans.cli import late_compiler

QUICK = """
import sys
from explanans.cli.main import main

assert main(["explain", "timm:resnet18", "photo.jpg", "--print_config"]) == 0
import explanans.methods

slow = {"torch._dynamo", "torch._dynamo.utils", "sympy", "pyarrow", "matplotlib"} & set(sys.modules)
# A method asks for them when it is made.
extras = {"captum", "sklearn", "lightning"} & set(sys.modules)
assert not slow | extras, slow | extras
import torch, torchvision

assert torchvision.ops.roi_align.__module__ == "torchvision.ops.roi_align"
late = sys.modules["torchvision.ops.roi_align"].is_compile_supported
asked = late("cpu")
from torch._dynamo.utils import is_compile_supported

assert asked == is_compile_supported("cpu")
double = torch.compiler.disable(lambda x: 2 * x)
assert double(21) == 42
assert hasattr(double, "_torchdynamo_disable")
"""


def test_explain_and_the_methods_wait_for_no_compiler_no_tables_and_no_extra() -> None:
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_library_that_wants_more_of_the_compiler_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo import utils

    monkeypatch.delitem(sys.modules, late_compiler.NAME)
    with late_compiler._compiler_stands_back():
        stand_in = sys.modules[late_compiler.NAME]
        assert stand_in is not utils
        # What importlib finds is the module that torch._dynamo has already.
        monkeypatch.setattr(late_compiler.importlib, "import_module", lambda name: utils)
        assert stand_in.counters is utils.counters
        assert late_compiler.NAME not in sys.modules
        assert stand_in.is_compile_supported("cpu") == utils.is_compile_supported("cpu")
        with pytest.raises(AttributeError, match="__path__"):
            _ = stand_in.__path__


def test_decorators_with_and_without_arguments_leave_the_function_as_it_is() -> None:
    def function() -> int:
        return 1

    assert late_compiler._undecorated(function) is function
    assert late_compiler._undecorated(recursive=False)(function) is function
