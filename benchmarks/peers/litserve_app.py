"""LitServe with batching: `python litserve_app.py PORT`."""

import os
import sys

import joblib
import litserve
import numpy as np


class Predictor(litserve.LitAPI):
    def setup(self, device) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request):
        return np.asarray(request["row"])

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, rows):
        return self.model.predict(rows)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return [int(output)]


if __name__ == "__main__":
    server = litserve.LitServer(
        Predictor(max_batch_size=32, batch_timeout=0.001, api_path="/invocations"), accelerator="cpu"
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")
