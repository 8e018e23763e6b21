"""KServe's server without what it does not need: its package imports a client for clusters and pandas, a second of CPU.

`import kserve` runs the package's own file only when something of it is asked for; its modules, such as
`kserve.model_server`, are imported as ever. pandas is imported when a data frame is made. Validators of FastAPI's and
KServe's own models, of which few are ever used, are built at first use.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """As if a module that was not imported yet were not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _built_when_used() -> Iterator[None]:
    """pydantic's models defined meanwhile are built at first use, and not with their class."""
    from pydantic import BaseModel, ConfigDict

    before = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        yield
    finally:
        BaseModel.model_config = before


class _Package(ModuleType):
    """kserve, empty until a name of its own is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or importlib.util.find_spec(f"kserve.{name}") is not None:
            raise AttributeError(name)  # a module of the package, which Python then imports
        spec = self.__spec__
        assert spec is not None and spec.loader is not None
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


class _Frame:
    """What stands for a data frame in signatures."""


class _Pandas(ModuleType):
    """pandas, imported when something of it is used; KServe's modules name its data frames in their signatures."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("pandas"), name)


def prepare() -> None:
    """Have kserve imported that way; without effect where it is imported already, or not installed."""
    spec = importlib.util.find_spec("kserve") if "kserve" not in sys.modules else None
    if spec is None or spec.submodule_search_locations is None:
        return
    package = _Package("kserve")
    package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations)
    package.__file__ = spec.origin
    sys.modules["kserve"] = package
    if "pandas" in sys.modules:
        return
    sys.modules["pandas"] = pandas = _Pandas("pandas")
    pandas.__dict__["DataFrame"] = _Frame
    with suppress(ImportError), _absent("rich"):
        importlib.import_module("httpx")  # without its command line
    try:
        with _built_when_used():
            for name in ("protocol.infer_type", "utils.utils", "model_server"):
                importlib.import_module(f"kserve.{name}")
    finally:
        del sys.modules["pandas"], pandas.__dict__["DataFrame"]
