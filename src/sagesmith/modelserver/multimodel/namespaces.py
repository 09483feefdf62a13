"""Modules of one model that another model has under the same name: each model imports its own.

Archives are made one by one, and nearly all of them have an `inference.py`. What lies in a model's code directory is
imported for this model alone, by whoever works for it: the thread that runs its handlers, and its own modules on any
thread. Everything else (the libraries) is shared, which is what makes a further model cheap.

Python looks modules up by name in `sys.modules`, and so do pickle and dataclasses for the classes of a model. What was
imported last is there; an import statement of another model puts its own module in its place.
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

    def make_present(self, name: str) -> bool:
        """See to it that `sys.modules` has this model's module, and not that of another one; whether it was imported
        before."""
        module = self._modules.get(name)
        if module is not None and sys.modules.get(name) is not module:
            sys.modules[name] = module
            _present[name] = self
        return module is not None

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Let this model's modules stand in `sys.modules`, and keep those that are imported meanwhile."""
        with _lock, self.entered():
            if self._is_importing:
                yield  # A module of the model imports another one.
                return
            self._is_importing = True
            for name, namespace in list(_present.items()):
                if namespace is not self and self.owns(name):
                    sys.modules.pop(name, None)
                    _present.pop(name, None)
            for name in self._modules:
                self.make_present(name)
            before = set(sys.modules)
            try:
                yield
            finally:
                self._is_importing = False
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
    absolute = name if not level else str((globals or {}).get("__package__") or "")
    if not namespace.owns(absolute):
        return _original_import(name, globals, locals, fromlist, level)
    if not level and not fromlist and namespace.make_present(name):
        return _original_import(name, globals, locals, fromlist, level)
    with namespace.importing():
        return _original_import(name, globals, locals, fromlist, level)


def _import_module(name: str, package: str | None = None) -> ModuleType:
    namespace = _current.namespace
    absolute = importlib.util.resolve_name(name, package)
    if namespace is None or not namespace.owns(absolute):
        return _original_import_module(name, package)
    with namespace.importing():
        return _original_import_module(name, package)
