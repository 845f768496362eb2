"""Where a project keeps its bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProjectStorage:
    """The storage account of a project and the prefix of its containers.

    `workspace_id` is the GUID that the names of the project's containers begin with, `account_id` the account's
    resource id, `blob_url` where the account answers: `https://{account}.blob.core.…`, without a slash at its end.
    """

    workspace_id: str
    account: str
    account_id: str
    blob_url: str

    @property
    def uploads(self) -> str:
        """The container that takes uploads."""
        return f"{self.workspace_id}-blobstore"

    @property
    def suffix(self) -> str:
        """What follows `{account}.blob.`: the storage suffix that clients put their own URLs together from."""
        return self.blob_url.partition(".blob.")[2]
