"""FastAPI: `uvicorn fastapi_app:app --workers 2`."""

import os

import joblib
import numpy as np
from fastapi import FastAPI, Request

app = FastAPI()
model = joblib.load(os.environ["MODEL"])


@app.post("/invocations")
async def invocations(request: Request) -> list[int]:
    row = np.fromstring(await request.body(), sep=",").reshape(1, -1)
    return model.predict(row).tolist()
