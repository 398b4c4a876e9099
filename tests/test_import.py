"""What importing costs and pulls in, seen from a fresh process."""

import subprocess
import sys

FRAMEWORKS = (
    "torch",
    "cupy",
    "jax",
    "sklearn",
    "numba",
    "scipy",
    "pandas",
    "matplotlib",
    "rich",
    "typer",
    "sympy",
    "safetensors",
    "onnx",
    "onnxruntime",
    "pyarrow",
)


def run(code: str) -> str:
    """Standard output of a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


def test_importing_loads_numpy_only() -> None:
    """Importing relufit loads no framework, no command line and no plotting."""
    loaded = run(f"import relufit, sys; print([name for name in {FRAMEWORKS} if name in sys.modules])")
    assert loaded.strip() == "[]"


def test_fitting_with_numpy_loads_no_framework() -> None:
    """A fit with the numpy backend loads no framework."""
    code = "import relufit, sys; relufit.fit('sin', hidden=4, epochs=1); "
    assert run(code + f"print([name for name in {FRAMEWORKS} if name in sys.modules])").strip() == "[]"


def test_the_theory_loads_numpy_only() -> None:
    """The theory loads numpy alone; the first derivative brings sympy in, and nothing scipy."""
    code = "import relufit.theory as t, sys; t.interpolating_network('sin', 8); "
    assert run(code + f"print([name for name in {FRAMEWORKS} if name in sys.modules])").strip() == "[]"


def test_an_estimator_says_what_is_not_installed() -> None:
    """Without scikit-learn the estimator is one sentence with the command that installs it."""
    code = """import sys; sys.modules["sklearn"] = None
try:
    import relufit.sklearn
except ImportError as error:
    print(error)"""
    assert run(code).strip() == "scikit-learn is not installed: pip install relufit[sklearn]"


def test_importing_is_fast() -> None:
    """Importing takes no more of a core, beyond numpy, than twice what numpy takes; the best of five."""
    code = """import time
start = time.process_time()
import numpy
middle = time.process_time()
import relufit
print(middle - start, time.process_time() - middle)"""
    of_numpy, of_relufit = zip(*(map(float, run(code).split()) for _ in range(5)), strict=True)
    assert min(of_relufit) < 2 * min(of_numpy)


def test_the_public_names_are_there() -> None:
    """Everything in __all__ can be imported."""
    import relufit

    assert all(hasattr(relufit, name) for name in relufit.__all__)
    assert relufit.backends.load("numpy").name == "numpy"
    assert relufit.targets.parse("x").name == "x"
