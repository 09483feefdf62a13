"""Aliases: friendly names of keys, a document each, child of its key."""

import time
from dataclasses import replace

from sagesmith.services.kms.keys import ALIAS, Keys, list_page, new_alias
from sagesmith.store import AlreadyExists, Query
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError


class AliasOperations:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateAlias": self.create_alias,
            "DeleteAlias": self.delete_alias,
            "ListAliases": self.list_aliases,
            "UpdateAlias": self.update_alias,
        }

    def create_alias(self, context: RequestContext, params: Params) -> Params:
        name = _checked(params["AliasName"])
        key = self._keys.find_usable(context, params["TargetKeyId"])
        alias = new_alias(context, name, key.key)
        try:
            with self._keys.store.write() as tx:
                tx.create(alias)
        except AlreadyExists as error:
            message = f"An alias with the name {alias.arn} already exists"
            raise AwsError("AlreadyExistsException", message, 400) from error
        return {}

    def update_alias(self, context: RequestContext, params: Params) -> Params:
        alias = self._keys.find_alias(context, _checked(params["AliasName"]))
        key = self._keys.find_usable(context, params["TargetKeyId"])
        body = {**alias.body, "TargetKeyId": key.key, "LastUpdatedDate": time.time()}
        with self._keys.store.write() as tx:
            tx.update(replace(alias, body=body, parent=key.key))
        return {}

    def delete_alias(self, context: RequestContext, params: Params) -> Params:
        alias = self._keys.find_alias(context, _checked(params["AliasName"]))
        with self._keys.store.write() as tx:
            tx.delete(ALIAS, alias.region, alias.key)
        return {}

    def list_aliases(self, context: RequestContext, params: Params) -> Params:
        self._keys.ensure_managed(context)
        parent = self._keys.find(context, params["KeyId"]).key if "KeyId" in params else None
        query = Query(
            ALIAS, context.region, parent=parent, sort="name", descending=False, limit=params.get("Limit", 50)
        )
        page, members = list_page(self._keys.store, query, params)
        return {"Aliases": [alias.body for alias in page], **members}


def _checked(name: str) -> str:
    if not name.startswith("alias/") or name == "alias/":
        raise AwsError("ValidationException", "Invalid identifier", 400)
    if name.startswith("alias/aws/"):
        raise AwsError("NotAuthorizedException", "The prefix alias/aws/ is reserved for AWS managed keys.", 400)
    return name
