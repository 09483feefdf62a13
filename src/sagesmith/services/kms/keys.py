"""KMS keys as documents: making, finding and ending them.

A key's document has its KeyMetadata members and its wrapped material. The keys behind `alias/aws/…` are made in a
region when somebody first asks for them there, in one transaction with their alias.
"""

import base64
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

from sagesmith.services.kms.cipher import KeyMaterial, KeyWrapper
from sagesmith.store import AlreadyExists, Document, InvalidToken, Query, Store
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

KEY, ALIAS = "kms-key", "kms-alias"
MANAGED_ALIASES = {
    "alias/aws/s3": "Default key that protects my S3 objects when no other key is defined",
    "alias/aws/sagemaker": "Default key that protects my SageMaker data when no other key is defined",
}
DELETION_WINDOW_DAYS = 30
_MATERIAL = "WrappedMaterial"
_BUILT_ONLY = {"KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS"}


class Keys:
    """Finds keys by every name that a request may use, and opens them."""

    def __init__(self, store: Store, wrapper: KeyWrapper) -> None:
        self.store = store
        self._wrapper = wrapper

    def find(self, context: RequestContext, name: str) -> Document:
        """A key by its id, ARN, alias or alias ARN. A key whose deletion is due is deleted by being looked for.

        Raises:
            AwsError: NotFoundException.
        """
        name = self._local_name(context, name)
        if name.startswith("alias/"):
            name = self.find_alias(context, name).body["TargetKeyId"]
        with self.store.read() as tx:
            key = tx.get(KEY, context.region, name)
        if key is not None and key.body.get("DeletionDate", float("inf")) <= time.time():
            self._delete(key)
            key = None
        if key is None:
            if not _is_key_id(name):
                raise AwsError("NotFoundException", f"Invalid keyId '{name}'", 400)
            raise AwsError("NotFoundException", f"Key '{_arn(context, f'key/{name}')}' does not exist", 400)
        return key

    def find_usable(self, context: RequestContext, name: str) -> Document:
        """A key that may encrypt and decrypt.

        Raises:
            AwsError: NotFoundException, DisabledException, KMSInvalidStateException.
        """
        key = self.find(context, name)
        match key.body["KeyState"]:
            case "Disabled":
                raise AwsError("DisabledException", f"{key.arn} is disabled.", 400)
            case "PendingDeletion":
                raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.", 400)
        return key

    def find_alias(self, context: RequestContext, name: str) -> Document:
        """
        Args:
            name: with its prefix `alias/`.

        Raises:
            AwsError: NotFoundException.
        """
        with self.store.read() as tx:
            alias = tx.get(ALIAS, context.region, name)
        if alias is None and name in MANAGED_ALIASES:
            alias = self._create_managed(context, name)
        if alias is None:
            raise AwsError("NotFoundException", f"Alias {_arn(context, name)} is not found.", 400)
        return alias

    def open(self, key: Document) -> KeyMaterial:
        return self._wrapper.open(base64.b64decode(key.body[_MATERIAL]), key.arn)

    def new(self, context: RequestContext, description: str, manager: str) -> Document:
        """A key that is not stored yet. `manager`: `CUSTOMER` or `AWS`."""
        key_id = str(uuid.uuid4())
        arn = _arn(context, f"key/{key_id}")
        body = {
            "AWSAccountId": context.account_id,
            "KeyId": key_id,
            "Arn": arn,
            "CreationDate": time.time(),
            "Enabled": True,
            "Description": description,
            "KeyState": "Enabled",
            "KeyManager": manager,
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": False,
            **_BUILT_ONLY,
            _MATERIAL: base64.b64encode(self._wrapper.create(arn)).decode(),
        }
        return Document(KEY, context.region, key_id, key_id, arn, body, status="Enabled")

    def ensure_managed(self, context: RequestContext) -> None:
        """Make what `alias/aws/…` stands for in this region, if it is not there."""
        for name in MANAGED_ALIASES:
            self.find_alias(context, name)

    def change(self, key: Document, **members: object) -> Document:
        """Store new members of KeyMetadata; a member that is None is taken out."""
        body = {name: value for name, value in {**key.body, **members}.items() if value is not None}
        with self.store.write() as tx:
            return tx.update(replace(key, body=body, status=str(body["KeyState"])))

    def _create_managed(self, context: RequestContext, name: str) -> Document:
        key = self.new(context, MANAGED_ALIASES[name], "AWS")
        try:
            with self.store.write() as tx:
                alias = tx.create(new_alias(context, name, key.key))
                tx.create(key)
                return alias
        except AlreadyExists:
            return self.find_alias(context, name)

    def _delete(self, key: Document) -> None:
        with self.store.write() as tx:
            if tx.get(KEY, key.region, key.key) is None:
                return
            while aliases := tx.list(Query(ALIAS, key.region, parent=key.key, limit=100)).documents:
                for alias in aliases:
                    tx.delete(ALIAS, alias.region, alias.key)
            tx.delete(KEY, key.region, key.key)

    def _local_name(self, context: RequestContext, name: str) -> str:
        if not name.startswith("arn:"):
            return name
        parts = name.split(":", 5)
        if len(parts) != 6 or parts[2] != "kms":
            raise AwsError("NotFoundException", f"Invalid arn {name}", 400)
        if parts[3] != context.region:
            raise AwsError("NotFoundException", f"Invalid arn {parts[3]}", 400)
        if parts[4] != context.account_id:
            raise AwsError("NotFoundException", f"Key '{name}' does not exist", 400)
        return parts[5].removeprefix("key/")


class KeyOperations:
    """CreateKey, DescribeKey, ListKeys and what changes a key's state."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def handlers(self) -> dict[str, Handler]:
        return {
            "CancelKeyDeletion": self.cancel_key_deletion,
            "CreateKey": self.create_key,
            "DescribeKey": self.describe_key,
            "DisableKey": self._switch(enabled=False),
            "EnableKey": self._switch(enabled=True),
            "ListKeys": self.list_keys,
            "ScheduleKeyDeletion": self.schedule_key_deletion,
        }

    def create_key(self, context: RequestContext, params: Params) -> Params:
        for name, built in _BUILT_ONLY.items():
            if params.get(name, built) != built:
                raise NotImplementedException(f"CreateKey (kms) with {name} {params[name]} is not implemented.")
        if (spec := params.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")) != "SYMMETRIC_DEFAULT":
            raise NotImplementedException(f"CreateKey (kms) with CustomerMasterKeySpec {spec} is not implemented.")
        for name in ("CustomKeyStoreId", "XksKeyId", "MultiRegion"):
            if params.get(name):
                raise NotImplementedException(f"CreateKey (kms) with {name} is not implemented.")
        key = self._keys.new(context, params.get("Description", ""), "CUSTOMER")
        tags = {tag["TagKey"]: tag["TagValue"] for tag in params.get("Tags", ())}
        with self._keys.store.write() as tx:
            return {"KeyMetadata": metadata(tx.create(key, tags))}

    def describe_key(self, context: RequestContext, params: Params) -> Params:
        return {"KeyMetadata": metadata(self._keys.find(context, params["KeyId"]))}

    def list_keys(self, context: RequestContext, params: Params) -> Params:
        self._keys.ensure_managed(context)
        query = Query(KEY, context.region, sort="name", descending=False, limit=params.get("Limit", 100))
        page, members = list_page(self._keys.store, query, params)
        return {"Keys": [{"KeyId": key.key, "KeyArn": key.arn} for key in page], **members}

    def schedule_key_deletion(self, context: RequestContext, params: Params) -> Params:
        key = self._customer_key(context, params["KeyId"])
        if key.body["KeyState"] == "PendingDeletion":
            raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.", 400)
        days = params.get("PendingWindowInDays", DELETION_WINDOW_DAYS)
        due = time.time() + days * 86400
        self._keys.change(key, KeyState="PendingDeletion", Enabled=False, DeletionDate=due)
        return {"KeyId": key.arn, "DeletionDate": due, "KeyState": "PendingDeletion", "PendingWindowInDays": days}

    def cancel_key_deletion(self, context: RequestContext, params: Params) -> Params:
        key = self._customer_key(context, params["KeyId"])
        if key.body["KeyState"] != "PendingDeletion":
            raise AwsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.", 400)
        self._keys.change(key, KeyState="Disabled", DeletionDate=None)
        return {"KeyId": key.arn}

    def _switch(self, *, enabled: bool) -> Callable[[RequestContext, Params], Params]:
        def switch(context: RequestContext, params: Params) -> Params:
            key = self._customer_key(context, params["KeyId"])
            if key.body["KeyState"] == "PendingDeletion":
                raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.", 400)
            self._keys.change(key, KeyState="Enabled" if enabled else "Disabled", Enabled=enabled)
            return {}

        return switch

    def _customer_key(self, context: RequestContext, name: str) -> Document:
        key = self._keys.find(context, name)
        if key.body["KeyManager"] == "AWS":
            message = f"{key.arn} is an AWS managed key: its state cannot be changed."
            raise AwsError("ValidationException", message, 400)
        return key


def metadata(key: Document) -> Params:
    """What may be told of a key: everything but its material."""
    return {name: value for name, value in key.body.items() if name != _MATERIAL}


def new_alias(context: RequestContext, name: str, key_id: str) -> Document:
    """An alias that is not stored yet."""
    now, arn = time.time(), _arn(context, name)
    body = {
        "AliasName": name,
        "AliasArn": arn,
        "TargetKeyId": key_id,
        "CreationDate": now,
        "LastUpdatedDate": now,
    }
    return Document(ALIAS, context.region, name, name, arn, body, parent=key_id)


def list_page(store: Store, query: Query, params: Params) -> tuple[list[Document], Params]:
    """One page, and the members that tell of the next."""
    try:
        with store.read() as tx:
            page = tx.list(replace(query, token=params.get("Marker")))
    except InvalidToken as error:
        raise AwsError("InvalidMarkerException", "Could not deserialize marker", 400) from error
    return page.documents, {"Truncated": page.next_token is not None, "NextMarker": page.next_token}


def _arn(context: RequestContext, resource: str) -> str:
    return f"arn:aws:kms:{context.region}:{context.account_id}:{resource}"


def _is_key_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
