"""The network as an .onnx file, for any runtime that reads ONNX. Needs onnx (relufit[onnx]).

The graph has three nodes: y = Gemm(Relu(Gemm(x, w1, b1)), w2, b2). If onnxruntime is installed, its outputs are
compared with the network's before a file is written.
"""

from pathlib import Path
from typing import Any

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.export import check_path
from relufit.export.numpy_function import forward
from relufit.export.rounding import pick_points, round_params
from relufit.network.params import Params

OPSET, IR_VERSION = 17, 8  # ONNX 1.12, of 2022: sufficient, and older runtimes read it too
LARGEST_BYTES = 2**31 - 2**16  # of weights: protobuf is limited to 2 GiB, names and shapes included


def save_onnx(params: Params, x: Any, path: str | Path, dtype: str = "float64") -> None:
    """Write the network to `path`: input `x` (N, D), output `y` (N, O) in `dtype`, float32 or float64, N left open.

    The file is tested at some of the points `x` (N, D). Raises RelufitError, and writes nothing, without onnx, for
    another dtype, if `dtype` cannot hold the network, if onnxruntime's outputs differ, and if the file cannot be
    written.
    """
    library = _onnx()
    check_path(path, ".onnx")
    rounded = round_params(params, x, dtype)
    if sum(p.nbytes for p in rounded) > LARGEST_BYTES:
        raise RelufitError("an .onnx file holds at most 2 GiB, and the weights are larger; use save, or fewer units")
    content = _model(library, rounded).SerializeToString()
    _check_answers(content, params, pick_points(params, x), dtype)
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise RelufitError(f"cannot write {path}: {reason(error)}") from None


def _model(library: Any, params: Params) -> Any:
    """The network as a checked ModelProto, in the dtype of `params`."""
    helper, kind = library.helper, library.helper.np_dtype_to_tensor_dtype(params.w1.dtype)
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["z"], name="fc1"),  # (N, H)
        helper.make_node("Relu", ["z"], ["h"], name="relu1"),  # (N, H)
        helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], name="fc2"),  # (N, O)
    ]
    graph = helper.make_graph(
        nodes,
        "relufit",
        [helper.make_tensor_value_info("x", kind, ["N", params.w1.shape[0]])],
        [helper.make_tensor_value_info("y", kind, ["N", params.w2.shape[1]])],
        [library.numpy_helper.from_array(array, name) for name, array in params._asdict().items()],
    )
    model = helper.make_model(
        graph,
        producer_name="relufit",
        doc_string="relufit: y = relu(x w1 + b1) w2 + b2",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    library.checker.check_model(model, full_check=True)
    return model


def _check_answers(content: bytes, params: Params, x: np.ndarray, dtype: str) -> None:
    """Raise RelufitError if onnxruntime, if installed, differs at x (N, D) by more than rounding explains."""
    try:
        import onnxruntime
    except ImportError:
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a pool of threads takes longer to start than these points
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(["y"], {"x": x.astype(dtype)})
    w1, b1, w2, b2 = exact = Params(*(np.asarray(p, np.float64) for p in params))
    error = np.abs(found - forward(exact, x))  # (N, O)
    # The sum of magnitudes, once for each rounding: of x, weights, products and sums, in both layers. eps is twice the
    # unit roundoff, which leaves as much again for the reference.
    magnitude = (np.abs(x) @ np.abs(w1) + np.abs(b1)) @ np.abs(w2) + np.abs(b2)  # (N, O)
    if not (error <= np.finfo(dtype).eps * (w1.shape[0] + w1.shape[1] + 6) * magnitude).all():
        raise RelufitError(
            f"onnxruntime's answers are off by up to {error.max():.2g}, more than the rounding of {dtype} explains: no "
            "file was written"
        )


def _onnx() -> Any:
    try:
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise RelufitError("onnx is not installed: pip install relufit[onnx]") from None
    return onnx
