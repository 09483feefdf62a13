"""What a multi-model server is made of, and what its main thread does."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable  # noqa: UP035

from sagesmith.modelserver import compatibility, requirements
from sagesmith.modelserver.crew import Crew
from sagesmith.modelserver.multimodel import namespaces
from sagesmith.modelserver.multimodel.loading import Loader
from sagesmith.modelserver.multimodel.memory import Memory
from sagesmith.modelserver.multimodel.server import Models
from sagesmith.modelserver.multimodel.store import ModelStore

if TYPE_CHECKING:
    from sagesmith.modelserver.settings import Settings

_THREADS = 4
"""A model whose handler takes long keeps one of them, and never more than SAGEMAKER_MODEL_SERVER_WORKERS."""
_LIBRARIES = {
    "scikit_learn": ("joblib", "sklearn.pipeline"),
    "xgboost": ("xgboost",),
    "pytorch": ("torch",),
    "huggingface": ("torch", "transformers"),
    "tensorflow": ("tensorflow",),
    "mlflow": ("mlflow.pyfunc", "sklearn.pipeline"),
    "triton": ("onnxruntime",),
}


@dataclass(frozen=True)
class MultiModelServer:
    """The parts of a server of many models."""

    settings: Settings
    loop: asyncio.AbstractEventLoop
    crew: Crew
    loader: Loader
    models: Models

    @classmethod
    def assemble(
        cls, settings: Settings, loop: asyncio.AbstractEventLoop, store: str, on_stuck: Callable[[], None]
    ) -> MultiModelServer:
        """Make the parts; call it on the loop's thread.

        Args:
            store: the path of the agent's socket.
            on_stuck: called when a model has been loaded for longer than it may take.
        """
        crew = Crew(max(_THREADS, settings.workers))
        loader = Loader(settings, loop, crew, Memory(settings.memory_bytes, settings.models_bytes))
        return cls(settings, loop, crew, loader, Models(settings, loader, ModelStore(store), on_stuck))

    def prepare(self) -> None:
        """Load what all models share; call it on the main thread.

        Raises:
            LoadError: the requirements of the shared code cannot be installed.
        """
        wanted = self.settings.code_dir / "requirements.txt"
        if wanted.is_file():
            requirements.install(wanted)
        compatibility.install()
        for library in _LIBRARIES[self.settings.framework or "scikit_learn"]:
            with contextlib.suppress(ImportError):
                importlib.import_module(library)
        namespaces.install()
        self.crew.start()
        asyncio.run_coroutine_threadsafe(self.models.start(), self.loop).result()

    def stop(self) -> None:
        """Let the main thread and the workers end, in this order of what they are doing."""
        self.models.stop()
        self.crew.stop()
        self.loader.stop()
