"""Trains one fastText model in a process of its own, and watches it.

fastText trains in one call that nothing can end, but its matrices can be read meanwhile, and it tells its progress on
standard error. So a thread trains, and the main thread follows: it measures after each pass, keeps the best model, and
ends the process once it has what it wants.

The request is one JSON object on standard input; events are JSON objects, a line each, on standard output.
"""

import json
import os
import re
import select
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import fasttext
import fasttext_pybind

_PROGRESS = re.compile(rb"Progress:\s+([0-9.]+)%\s+words/sec/thread:\s+([0-9]+)")
_MODELS = {"skipgram": "skipgram", "batch_skipgram": "skipgram", "cbow": "cbow", "supervised": "supervised"}
_POLL_SECONDS = 0.2


class Worker:
    """One training run.

    Args:
        request: `train`, `validation` (paths), `output` (the model's path), `threads` and the hyperparameters.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.model = fasttext.FastText._FastText()
        self.output = Path(request["output"])
        self.stopping = threading.Event()
        self.best, self.best_epoch = -1.0, 0
        self._error: Exception | None = None
        self._begun = False
        self._events = os.fdopen(os.dup(1), "w", buffering=1)
        self._progress, target = os.pipe()
        os.dup2(target, 2)
        os.close(target)

    def run(self) -> None:
        """Train, and write the model."""
        thread = threading.Thread(target=self._train, daemon=True)
        thread.start()
        early = self._follow(thread)
        if self._error is not None:
            self.tell("failed", message=str(self._error))
            return
        if thread.is_alive() and not self._begun:
            self.tell("failed", message="no text had been learned from")
            return
        if early and self.best >= 0:
            self.tell("stopped", epoch=self.best_epoch)
        self._keep()

    def tell(self, event: str, **values: Any) -> None:
        self._events.write(json.dumps({"event": event, **values}) + "\n")

    def _train(self) -> None:
        try:
            fasttext_pybind.train(self.model.f, self._arguments())
        except Exception as error:
            self._error = error

    def _arguments(self) -> Any:
        request, values = self.request, fasttext_pybind.args()
        values.input = request["train"]
        values.model = getattr(fasttext_pybind.model_name, _MODELS[request["mode"]])
        values.lr, values.epoch, values.dim = request["learning_rate"], request["epochs"], request["vector_dim"]
        values.minCount, values.bucket, values.thread = request["min_count"], request["buckets"], request["threads"]
        values.verbose, values.label = 2, "__label__"
        if request["mode"] == "supervised":
            values.loss, values.wordNgrams = fasttext_pybind.loss_name.softmax, request["word_ngrams"]
            values.minn = values.maxn = values.minCountLabel = 0
        else:
            values.loss, values.neg = fasttext_pybind.loss_name.ns, request["negative_samples"]
            values.ws, values.t, values.wordNgrams = request["window_size"], request["sampling_threshold"], 1
            values.minn, values.maxn = (request["min_char"], request["max_char"]) if request["subwords"] else (0, 0)
        if values.wordNgrams == 1 and values.maxn == 0:
            # Nothing is put into them, and fastText would keep a vector of each.
            values.bucket = 0
        return values

    def _follow(self, thread: threading.Thread) -> bool:
        """Watch the progress; whether it is to end before its time."""
        epochs, seen, rest = self.request["epochs"], 0, b""
        watched = self.request["mode"] == "supervised" and self.request["validation"]
        while thread.is_alive() and not self.stopping.is_set():
            if not select.select([self._progress], [], [], _POLL_SECONDS)[0]:
                continue
            rest = (rest + os.read(self._progress, 1 << 16))[-4096:]
            found = _PROGRESS.findall(rest)
            if not found or not thread.is_alive():
                continue
            self._begun = True
            done = float(found[-1][0]) / 100
            epoch = min(int(done * epochs), epochs - 1)
            if epoch > seen:
                seen = epoch
                self.tell("epoch", epoch=epoch, words=int(found[-1][1]))
                if watched and self.request["early_stopping"] and self._no_better(epoch):
                    return True
        return self.stopping.is_set()

    def _no_better(self, epoch: int) -> bool:
        """Measure, keep the model if it is the best; whether there was no progress for too long."""
        accuracy = self.model.f.test(self.request["validation"], 1, 0.0)[1]
        self.tell("validation", epoch=epoch, accuracy=accuracy, improved=accuracy > self.best)
        if accuracy > self.best:
            self.best, self.best_epoch = accuracy, epoch
            self.model.f.saveModel(str(self.output) + ".best")
            return False
        since = epoch - self.best_epoch
        return bool(epoch >= self.request["min_epochs"] and since >= self.request["patience"])

    def _keep(self) -> None:
        """Write the model there is, or the best one if that was better."""
        best = Path(str(self.output) + ".best")
        if best.exists() and (self.best_epoch and self._final() < self.best):
            best.replace(self.output)
            self.tell("best", epoch=self.best_epoch)
        else:
            self.model.f.saveModel(str(self.output))
            best.unlink(missing_ok=True)
        self.tell("saved")

    def _final(self) -> float:
        return float(self.model.f.test(self.request["validation"], 1, 0.0)[1])


def main() -> None:
    """What `python -m sagesmith.algorithms.blazingtext.worker` does."""
    worker = Worker(json.loads(sys.stdin.read()))
    signal.signal(signal.SIGTERM, lambda _number, _frame: worker.stopping.set())
    code = 0
    try:
        worker.run()
    except Exception as error:
        worker.tell("failed", message=f"{type(error).__name__}: {error}")
        code = 1
    # The thread that still trains must not hold the process up.
    os._exit(code)


if __name__ == "__main__":
    main()
