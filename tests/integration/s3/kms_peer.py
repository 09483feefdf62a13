"""A KMS for the object store, as a process of its own: just what an encrypted upload and its download ask.

`python -m tests.integration.s3.kms_peer` prints its port. It stands in until a whole platform is at hand.
"""

import base64
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/5d0d1ac5-7a1c-4e9f-9f7b-0d6f4d5d8f11"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        operation = self.headers["x-amz-target"].rpartition(".")[2]
        status, answer = self.answer(operation, request)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, operation: str, request: dict[str, str]) -> tuple[int, dict[str, str]]:
        if operation == "GenerateDataKey" and request["KeyId"] in {"alias/aws/s3", KEY_ARN}:
            key = os.urandom(32)
            return 200, {"KeyId": KEY_ARN, "Plaintext": text(key), "CiphertextBlob": text(key[::-1])}
        if operation == "Decrypt":
            return 200, {"KeyId": KEY_ARN, "Plaintext": text(base64.b64decode(request["CiphertextBlob"])[::-1])}
        return 400, {"__type": "NotFoundException", "message": f"Key '{request.get('KeyId')}' does not exist"}

    def log_message(self, format: str, *args: object) -> None:
        pass


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
