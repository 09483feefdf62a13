"""The server inside a model's environment: the user's handlers behind `GET /ping` and `POST /invocations`.

It runs on whatever Python the model needs (3.8 and later) and sees of the project only itself and `sagesmith.http`.
"""
