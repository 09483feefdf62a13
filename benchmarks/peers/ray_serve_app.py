"""Ray Serve with batching: `python ray_serve_app.py PORT`."""

import os
import signal
import sys
import threading

import joblib
import numpy as np
import ray
from ray import serve


@serve.deployment(max_ongoing_requests=256)
class Predictor:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def predict(self, rows):
        return self.model.predict(np.stack(rows)).tolist()

    async def __call__(self, request) -> list[int]:
        row = np.fromstring(await request.body(), sep=",")
        return [await self.predict(row)]


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, object_store_memory=200_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Predictor.bind(), route_prefix="/invocations")
    # Ray ends its other processes when this one ends of itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Event().wait()
