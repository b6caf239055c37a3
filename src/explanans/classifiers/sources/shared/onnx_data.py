"""The files in which an ONNX graph keeps its weights, where they are not in the graph itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from explanans.errors import InputError


def external_files(file: Path) -> list[str]:
    """Names, relative to the graph's folder, of the files that hold weights of its; sorted.

    ``torch.onnx.export`` writes them as FILE.data unless told otherwise.

    Raises:
        InputError: no ONNX file, a file of weights that is missing or lies outside of the graph's folder.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise InputError("onnx: needs onnx, which is not installed: pip install 'explanans[onnx]'.") from error
    try:
        model = onnx.load(str(file), load_external_data=False)
    # Whatever protobuf raises; its own base class cannot be imported without knowing which protobuf it is.
    except Exception as error:
        raise InputError(
            f"{file} cannot be read as ONNX ({type(error).__name__}); it is damaged. Export it again."
        ) from error
    external = onnx.TensorProto.EXTERNAL
    tensors = [*_tensors(model.graph), *(tensor for part in model.functions for tensor in _inside(part.node))]
    names = sorted(
        {
            entry.value
            for tensor in tensors
            if tensor.data_location == external
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )
    home = file.parent.resolve()
    for name in names:
        if not (home / name).resolve().is_relative_to(home):
            raise InputError(f"{file} wants weights from {name!r}, outside of its folder; export it again.")
        if not (home / name).is_file():
            raise InputError(f"{file} keeps its weights in {name!r}, which is not beside it; copy that file there too.")
    return names


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _inside(graph.node)


def _inside(nodes: Iterable[Any]) -> Iterator[Any]:
    """Constants of the nodes, and of the graphs that conditions and loops hold."""
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for graph in (attribute.g, *attribute.graphs):
                yield from _tensors(graph)
