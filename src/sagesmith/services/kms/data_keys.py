"""Encrypt, Decrypt and data keys."""

import os

from sagesmith.services.kms.cipher import InvalidCiphertext, key_id_of
from sagesmith.services.kms.keys import Keys
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

ALGORITHM = "SYMMETRIC_DEFAULT"
_SPEC_BYTES = {"AES_256": 32, "AES_128": 16}


class DataKeyOperations:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def handlers(self) -> dict[str, Handler]:
        return {
            "Decrypt": self.decrypt,
            "Encrypt": self.encrypt,
            "GenerateDataKey": self.generate_data_key,
            "GenerateDataKeyWithoutPlaintext": self.generate_data_key_without_plaintext,
        }

    def encrypt(self, context: RequestContext, params: Params) -> Params:
        key = self._keys.find_usable(context, params["KeyId"])
        _check_options(key, params)
        blob = self._encrypt(key, params["Plaintext"], params)
        return {"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}

    def decrypt(self, context: RequestContext, params: Params) -> Params:
        blob = params.get("CiphertextBlob", b"")
        try:
            key_id = key_id_of(blob)
            named = params.get("KeyId")
            if named is not None and self._keys.find(context, named).key != key_id:
                message = "The key ID in the request does not identify a CMK that can perform this operation."
                raise AwsError("IncorrectKeyException", message, 400)
            key = self._keys.find_usable(context, key_id)
            _check_options(key, params)
            plaintext = self._keys.open(key).decrypt(blob, params.get("EncryptionContext", {}))
        except InvalidCiphertext as error:
            message = "The ciphertext is damaged, or was made with another encryption context."
            raise AwsError("InvalidCiphertextException", message, 400) from error
        return {"Plaintext": plaintext, "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}

    def generate_data_key(self, context: RequestContext, params: Params) -> Params:
        size, spec = params.get("NumberOfBytes"), params.get("KeySpec")
        if (size is None) == (spec is None):
            raise AwsError("ValidationException", "Please specify either number of bytes or key spec.", 400)
        key = self._keys.find_usable(context, params["KeyId"])
        _check_options(key, params)
        plaintext = os.urandom(_SPEC_BYTES[spec] if spec is not None else size or 0)
        return {"CiphertextBlob": self._encrypt(key, plaintext, params), "Plaintext": plaintext, "KeyId": key.arn}

    def generate_data_key_without_plaintext(self, context: RequestContext, params: Params) -> Params:
        answer = self.generate_data_key(context, params)
        return {name: value for name, value in answer.items() if name != "Plaintext"}

    def _encrypt(self, key: Document, plaintext: bytes, params: Params) -> bytes:
        return self._keys.open(key).encrypt(key.key, plaintext, params.get("EncryptionContext", {}))


def _check_options(key: Document, params: Params) -> None:
    if params.get("EncryptionAlgorithm", ALGORITHM) != ALGORITHM:
        message = f"Algorithm {params['EncryptionAlgorithm']} is incompatible with key spec {key.body['KeySpec']}."
        raise AwsError("InvalidKeyUsageException", message, 400)
    if params.get("Recipient"):
        raise NotImplementedException("Recipient (kms): enclaves are not implemented.")
    if params.get("DryRun"):
        message = "The request would have succeeded, but the DryRun option is set."
        raise AwsError("DryRunOperationException", message, 400)
