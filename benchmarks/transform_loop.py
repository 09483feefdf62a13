"""The peer of a transform job, in the image's own environment: a loop over the chunks of a file that calls `predict`.

`prepare FOLDER ROWS` makes the model and the rows; `predict FOLDER` writes the predictions beside them.
"""

import sys
from pathlib import Path

import numpy as np
import xgboost

COLUMNS, TREES, CHUNK_BYTES = 20, 100, 6 << 20


def prepare(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(min(rows, 50_000), COLUMNS)).astype(np.float32)
    labels = data[:, 0] + data[:, 1] * data[:, 2] > 0
    parameters = {"objective": "binary:logistic", "max_depth": 6}
    xgboost.train(parameters, xgboost.DMatrix(data, labels), TREES).save_model(folder / "model.json")
    text = "".join(",".join(f"{cell:.6g}" for cell in row) + "\n" for row in data.tolist())
    with (folder / "rows.csv").open("w") as file:
        for _ in range(rows // len(data)):
            file.write(text)


def predict(folder: Path) -> None:
    model = xgboost.Booster(model_file=str(folder / "model.json"))
    with (folder / "rows.csv").open("rb") as source, (folder / "predictions.csv").open("w") as target:
        rest = b""
        while chunk := source.read(CHUNK_BYTES - len(rest)):
            lines, _, rest = (rest + chunk).rpartition(b"\n")
            array = np.loadtxt(lines.decode().split("\n"), delimiter=",", dtype=np.float32, comments=None, ndmin=2)
            predictions = model.predict(xgboost.DMatrix(array), validate_features=False)
            target.write("\n".join(map(str, predictions)) + "\n")


if __name__ == "__main__":
    command, place = sys.argv[1], Path(sys.argv[2])
    if command == "prepare":
        prepare(place, int(sys.argv[3]))
    else:
        predict(place)
