"""Modules of one model that another model has under the same name: each model imports its own.

Archives are made one by one, and nearly all of them have an `inference.py`. What lies in a model's code directory is
imported for this model alone, by whoever works for it: the thread that runs its handlers, and its own modules on any
thread. Everything else (the libraries) is shared, which is what makes a further model cheap.

Python looks modules up by name in `sys.modules`, and so do pickle and dataclasses for the classes of a model. What was
imported last is there. An import statement of a model's own module gets this model's from its namespace, and touches
nothing; a library that imports a module for a model (pickle) gets it put there in the same moment. Where a module is
really imported, and while a model is loaded, one namespace has `sys.modules` for itself, and others wait.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import threading
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import ModuleType

_TAG = "__sagesmith_namespace__"
_lock = threading.RLock()
_original_import = builtins.__import__
_original_import_module = importlib.import_module
_shared: set[str] = set()
_present: dict[str, Namespace] = {}
"""Whose modules stand in `sys.modules`, by their names: those of what was imported last."""


class _Current(threading.local):
    namespace: Namespace | None = None


_current = _Current()


class _Exclusive:
    """Which thread has `sys.modules` for itself, 0 for none; it holds `_lock`."""

    holder = 0


_exclusive = _Exclusive()


class Namespace:
    """The modules of one model.

    Args:
        directories: where they lie, the first one first.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = list(dict.fromkeys(map(str, directories)))
        self._modules: dict[str, ModuleType] = {}
        self._owned: dict[str, bool] = {}
        self._is_importing = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What this thread imports meanwhile is this model's."""
        former, _current.namespace = _current.namespace, self
        try:
            yield
        finally:
            _current.namespace = former

    def owns(self, name: str) -> bool:
        """Whether a module is the model's, by its absolute name."""
        top = name.partition(".")[0]
        owned = self._owned.get(top)
        if owned is None:
            owned = self._owned[top] = top not in _shared and self._is_here(top)
        return owned

    def spec_of(self, name: str) -> ModuleSpec | None:
        """Where a module of the model lies that is in no package."""
        return PathFinder.find_spec(name, self._directories)

    def find(self, name: str, fromlist: Sequence[str]) -> ModuleType | None:
        """A module that was imported before, None if it was not, or has not all that is wanted from it."""
        module = self._modules.get(name)
        return module if module is not None and all(hasattr(module, each) for each in fromlist) else None

    def present(self, name: str) -> None:
        """Let a module that was imported before stand in `sys.modules`, for who looks there right after this."""
        module, modules, here = self._modules[name], sys.modules, threading.get_ident()
        while True:
            if _exclusive.holder in (0, here):
                _present[name] = self
                modules[name] = module
                return
            with _lock:
                pass

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Have `sys.modules` alone: this model's modules stand there, and what is imported meanwhile is kept."""
        if self._is_importing:  # by a module of the model, or by a thread that the model waits for
            with self.entered(), self._keeping():
                yield
            return
        with _lock, self.entered():
            _exclusive.holder, self._is_importing = threading.get_ident(), True
            try:
                for name, namespace in list(_present.items()):
                    if namespace is not self and self.owns(name):
                        sys.modules.pop(name, None)
                        _present.pop(name, None)
                for name in self._modules:
                    self.present(name)
                with self._keeping():
                    yield
            finally:
                _exclusive.holder, self._is_importing = 0, False

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        before = set(sys.modules)
        try:
            yield
        finally:
            for name in set(sys.modules) - before:
                if self.owns(name):
                    self._modules[name] = sys.modules[name]
                    vars(sys.modules[name])[_TAG] = self
                    _present[name] = self

    def forget(self) -> None:
        """Take the model's modules out: nobody is going to use them."""
        with _lock:
            for name, module in self._modules.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
                    _present.pop(name, None)
                vars(module).pop(_TAG, None)
            self._modules.clear()

    def _is_here(self, top: str) -> bool:
        found = self.spec_of(top)
        if found is None:
            return False
        # A folder without an __init__.py is a package only if there is no other one of its name.
        return found.loader is not None or PathFinder.find_spec(top) is None


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[Any] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        namespace = _current.namespace
        if namespace is None or path is not None or not namespace.owns(fullname):
            return None
        return namespace.spec_of(fullname)


def install() -> None:
    """Let imports heed namespaces from now on. What this process has imported already is shared by all models."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        _shared.update(name.partition(".")[0] for name in sys.modules)
        sys.meta_path.insert(0, _Finder())
        builtins.__import__ = _import
        importlib.import_module = _import_module


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    namespace = _current.namespace or (None if globals is None else globals.get(_TAG))
    if not isinstance(namespace, Namespace):
        return _original_import(name, globals, locals, fromlist, level)
    absolute = name if not level else importlib.util.resolve_name("." * level + name, _package(globals))
    if not namespace.owns(absolute):
        return _original_import(name, globals, locals, fromlist, level)
    found = namespace.find(absolute, fromlist or ())
    if found is not None:
        wanted = found if fromlist else namespace.find(absolute.partition(".")[0], ()) or found
        if globals is None or globals.get(_TAG) is not namespace:
            namespace.present(absolute)
        return wanted
    with namespace.importing():
        return _original_import(name, globals, locals, fromlist, level)


def _package(globals: Mapping[str, object] | None) -> str:
    return str((globals or {}).get("__package__") or "")


def _import_module(name: str, package: str | None = None) -> ModuleType:
    namespace = _current.namespace
    absolute = importlib.util.resolve_name(name, package)
    if namespace is None or not namespace.owns(absolute):
        return _original_import_module(name, package)
    found = namespace.find(absolute, ())
    if found is not None:
        return found
    with namespace.importing():
        return _original_import_module(name, package)
