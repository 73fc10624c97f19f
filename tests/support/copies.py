"""A `World` as files, and nodes that serve from it: for tests of the command line."""

from __future__ import annotations

from pathlib import Path

from guosuo.host.directory import FederationDirectory, Publication
from tests.support.world import World


def write_copy(world: World, root: Path) -> FederationDirectory:
    """All entries and blobs of a world in a federation's directory."""
    FederationDirectory.found(root, world.signed_charter)
    directory = FederationDirectory(root, world.suite)
    update_copy(world, directory)
    return directory


def update_copy(world: World, directory: FederationDirectory) -> None:
    """What has come since."""
    for name, region in world.regions.items():
        files = directory.regions[name]
        files.publish(Publication(index, entry) for index, entry in enumerate(region.entries))
    some = directory.regions[next(iter(world.regions))]
    some.publish(Publication(None, data) for data in world.blobs.values())
