"""The names of the resource types that this room serves."""

from typing import Final

DEPLOYMENTS: Final = "Microsoft.Resources/deployments"
OPERATIONS: Final = "Microsoft.Resources/deployments/operations"
GROUPS: Final = "Microsoft.Resources/resourceGroups"
SUBSCRIPTIONS: Final = "Microsoft.Resources/subscriptions"
