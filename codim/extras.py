"""Optional parts of the project: the libraries that each needs beyond the base installation."""

import importlib.util

_REPORT = ("botorch", "cleanlab", "loky", "matplotlib", "optuna")
EXTRAS: dict[str, tuple[str, ...]] = {
    "encoders": ("safetensors", "timm"),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "report": _REPORT,
    "study": (*_REPORT, "ray", "ruamel"),
}
"""Extra, as pyproject.toml declares it -> modules that it installs."""


def require_extra(extra: str, user: str) -> None:
    """Raise ValueError if libraries of an extra are missing: names them, and how to install them.

    Args:
        user: what needs them, as the message begins.
    """
    if missing := [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]:
        raise ValueError(
            f"{user} needs libraries that are not installed, {', '.join(missing)}; pip install 'codim-study[{extra}]'"
        )
