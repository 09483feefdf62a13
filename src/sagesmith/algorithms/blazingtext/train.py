"""Training BlazingText."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from sagesmith.algorithms.blazingtext import similarity
from sagesmith.algorithms.blazingtext.corpus import Corpus, gather
from sagesmith.algorithms.blazingtext.model import MODEL, VECTORS, Words, read
from sagesmith.algorithms.errors import AlgorithmError, CustomerError
from sagesmith.algorithms.run.job import Job

_WORKER = "sagesmith.algorithms.blazingtext.worker"
# Of a text of n bytes: there are fewer word n-grams in it, so that one bucket in ten is taken at most.
_BUCKETS_PER_BYTE = 10


def train(job: Job) -> None:
    """Train on one instance; the others of `batch_skipgram` have nothing to do."""
    mode = job.values["mode"]
    if job.values["early_stopping"] and mode == "supervised" and "validation" not in job.sources:
        raise CustomerError("early_stopping needs a channel 'validation' to stop by.")
    if not job.leads:
        job.log.say(f"{job.hosts[0]} trains; there is nothing to do here.")
        return
    with tempfile.TemporaryDirectory() as folder:
        if mode == "supervised":
            _classifier(job, Path(folder))
        else:
            _vectors(job, Path(folder))


def _classifier(job: Job, scratch: Path) -> None:
    corpora: dict[str, Corpus] = {}
    for name, source in job.sources.items():
        corpora[name], missing = gather(source, scratch, labelled=True)
        if missing:
            job.log.warn(f"{missing} lines of the channel '{name}' have no label: they are left out.")
    path = job.model / MODEL
    _run(job, corpora, path)
    model = read(path)
    if not set(model.get_words()) - {"</s>"}:
        raise _no_words(job)
    for name in ("train", "validation"):
        if name in corpora and not job.stopping.is_set():
            count, accuracy, _ = model.f.test(str(corpora[name].path), 1, 0.0)
            job.log.say(f"#{name}_accuracy: {accuracy:.4f}")
            job.log.say(f"Number of {name} examples: {count}")


def _vectors(job: Job, scratch: Path) -> None:
    if "validation" in job.sources:
        job.log.warn("Word vectors need no channel 'validation': it is not looked at.")
    corpus, _ = gather(job.sources["train"], scratch, labelled=False)
    path = job.model / VECTORS
    _run(job, {"train": corpus}, path)
    words = Words.of(read(path))
    words.write(job.model / "vectors.txt")
    job.log.say(f"Number of words: {len(words)}")
    if job.values["evaluation"]:
        found = similarity.evaluate(words)
        (job.model / "eval.json").write_text(json.dumps({similarity.NAME: found, "mean_rho": found["spearmans_rho"]}))
        job.log.say(f"{similarity.NAME}: {found}")
        if found["spearmans_rho"] is not None:
            job.log.say(f"#mean_rho: {found['spearmans_rho']:.4f}")


def _run(job: Job, corpora: dict[str, Corpus], output: Path) -> None:
    """Train in a process of its own until the model is written."""
    values = dict(job.values)
    values["buckets"] = min(values["buckets"], _BUCKETS_PER_BYTE * corpora["train"].bytes)
    threads = len(os.sched_getaffinity(0))
    validation = corpora.get("validation")
    request = values | {
        "train": str(corpora["train"].path),
        "validation": str(validation.path) if validation else "",
        "output": str(output),
        "threads": threads,
    }
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(request).encode())
    process.stdin.close()
    ended = threading.Event()
    threading.Thread(target=_pass_on, args=(job, process, ended), daemon=True).start()
    saved, failed = False, ""
    for line in process.stdout:
        event = json.loads(line)
        saved = saved or event["event"] == "saved"
        failed = event["message"] if event["event"] == "failed" else failed
        _report(job, event, threads)
    process.wait()
    ended.set()
    if "Empty vocabulary" in failed:
        raise _no_words(job)
    if "NaN" in failed:
        raise CustomerError(f"The weights have become no numbers: lower learning_rate ({failed})")
    if not saved:
        stopped = "The job was stopped before there was a model" if job.stopping.is_set() else "fastText ended"
        raise AlgorithmError(f"{stopped}: {failed or f'exit code {process.returncode}'}")
    seconds = time.monotonic() - start
    job.log.say(f"Training finished. Total training time in seconds: {seconds:.2f}")


def _pass_on(job: Job, process: "subprocess.Popen[bytes]", ended: threading.Event) -> None:
    """Stop the process once the job is asked to."""
    while not ended.wait(0.1):
        if job.stopping.is_set():
            job.log.say("The job was asked to stop: the model is made of what was learned so far.")
            process.terminate()
            return


def _report(job: Job, event: dict[str, Any], threads: int) -> None:
    kind = event["event"]
    if kind == "epoch":
        rate = threads * event["words"] / 1e6
        job.log.say(f"-------------- End of epoch: {event['epoch']} ({rate:.2f} Million words/sec)")
        job.log.progress(event["epoch"], job.values["epochs"])
    elif kind == "validation":
        job.log.say(f"Validation accuracy: {event['accuracy']:.4f}")
        if event["improved"]:
            job.log.say("Validation accuracy improved! Storing best weights...")
    elif kind == "stopped":
        job.log.say(f"Early stopping condition met: the accuracy got no better after epoch {event['epoch']}.")
    elif kind == "best":
        job.log.say(f"Using the weights of epoch {event['epoch']}, the best.")


def _no_words(job: Job) -> CustomerError:
    return CustomerError(
        f"No word appears {job.values['min_count']} times or more: lower min_count, or give more text."
    )
