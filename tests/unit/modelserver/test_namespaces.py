"""Modules of the same name in several models, in one process."""

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

MODELS = {
    "one": {"helper.py": "NAME = 'one'\nclass Kept:\n    of = NAME\n"},
    "two": {"helper.py": "NAME = 'two'\nclass Kept:\n    of = NAME\n"},
}
COMMON = {
    "inference.py": """
        import json
        from helper import NAME, Kept
        from parts import inner
        def name():
            import lazily
            from importlib import import_module
            return [NAME, inner.name(), lazily.NAME, import_module("helper").NAME]
    """,
    "lazily.py": "from helper import NAME\n",
    "parts/__init__.py": "",
    "parts/inner.py": "from .deep import NAME\ndef name():\n    from . import deep\n    return deep.NAME\n",
    "parts/deep.py": "from helper import NAME\n",
    "json.py": "raise ImportError('a library that is loaded is nobody\\'s')\n",
}


def made(folder: Path) -> None:
    for model, files in MODELS.items():
        for path, text in {**COMMON, **files}.items():
            file = folder / model / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))


def ran(folder: Path, program: str) -> str:
    """What a program prints that has the namespaces `one` and `two`; imports are a matter of the whole process."""
    made(folder)
    setup = f"""
        import importlib, json, sys, threading, pickle
        from pathlib import Path
        from sagesmith.modelserver.multimodel import namespaces
        namespaces.install()
        folder = Path({str(folder)!r})
        one, two = (namespaces.Namespace([folder / name]) for name in ("one", "two"))
        def imported(namespace):
            with namespace.entered():
                return importlib.import_module("inference")
    """
    text = textwrap.dedent(setup) + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_model_imports_its_own_modules_early_and_late(tmp_path: Path) -> None:
    said = ran(
        tmp_path,
        """
        first, second = imported(one), imported(two)
        assert first is not second and imported(one) is first
        for namespace, module in ((one, first), (two, second), (one, first)):
            with namespace.entered():
                print(*module.name())
        """,
    )
    assert said.splitlines() == ["one one one one", "two two two two", "one one one one"]


def test_a_thread_of_a_model_imports_the_models_modules(tmp_path: Path) -> None:
    said = ran(
        tmp_path,
        """
        first, second = imported(one), imported(two)
        thread = threading.Thread(target=lambda: print(first.inner.name()))
        thread.start()
        thread.join()
        """,
    )
    assert said == "one\n"


def test_a_pickle_of_a_models_class_is_read_as_this_models(tmp_path: Path) -> None:
    pickled = pickle.dumps(None)
    said = ran(
        tmp_path,
        f"""
        assert pickle.loads({pickled!r}) is None
        first, second = imported(one), imported(two)
        content = b"chelper\\nKept\\n."
        for namespace in (one, two, one):
            with namespace.entered():
                print(pickle.loads(content).of)
        """,
    )
    assert said.split() == ["one", "two", "one"]


def test_a_model_that_is_forgotten_leaves_no_module(tmp_path: Path) -> None:
    said = ran(
        tmp_path,
        """
        import weakref
        kept = weakref.ref(imported(one))
        imported(two)
        one.forget()
        import gc
        gc.collect()
        print(kept(), sys.modules["inference"].__file__ == str(folder / "two" / "inference.py"))
        two.forget()
        print("inference" in sys.modules, "helper" in sys.modules)
        """,
    )
    assert said.splitlines() == ["None True", "False False"]


def test_threads_of_many_models_mix_up_no_module_while_others_are_loaded(tmp_path: Path) -> None:
    said = ran(
        tmp_path,
        """
        sys.setswitchinterval(1e-5)
        loaded = {"one": (one, imported(one)), "two": (two, imported(two))}
        wrong, stop = [], threading.Event()

        def ask(name):
            namespace, module = loaded[name]
            while not stop.is_set():
                with namespace.entered():
                    answer = [*module.name(), pickle.loads(b"chelper\\nKept\\n.").of]
                if set(answer) != {name}:
                    wrong.append((name, answer))

        threads = [threading.Thread(target=ask, args=(name,)) for name in ("one", "two") * 2]
        for thread in threads:
            thread.start()
        for number in range(200):
            name = ("one", "two")[number % 2]
            namespace = namespaces.Namespace([folder / name])
            with namespace.importing():
                module = importlib.import_module("inference")
                answer = [*module.name(), pickle.loads(b"chelper\\nKept\\n.").of]
            if set(answer) != {name}:
                wrong.append(("loaded " + name, answer))
            namespace.forget()
        stop.set()
        for thread in threads:
            thread.join()
        print(wrong[:3])
        """,
    )
    assert said == "[]\n"


def test_no_model_finds_a_module_that_only_another_one_has(tmp_path: Path) -> None:
    said = ran(
        tmp_path,
        """
        from dataclasses import replace
        from sagesmith.modelserver.handlers import import_user_module
        from sagesmith.modelserver.settings import Settings
        (folder / "one" / "ones.py").touch()
        (folder / "two" / "inference.py").write_text("import ones")
        settings = Settings.from_environment({"SAGEMAKER_MULTI_MODEL": "true"})
        before = list(sys.path)
        for name, namespace in (("one", one), ("two", two)):
            try:
                with namespace.importing():
                    print(import_user_module(replace(settings, code_dir=folder / name)).__file__)
            except ImportError as error:
                print(error)
        print(sys.path == before)
        """,
    )
    assert said.splitlines() == [f"{tmp_path}/one/inference.py", "No module named 'ones'", "True"]
