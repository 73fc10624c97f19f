"""What every test may ask for: the published vectors, and patience on busy machines."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline measures the machine, not the code.
settings.register_profile("guosuo", settings.get_profile("default"), deadline=None)
if os.environ.get("CI") != "true":  # there Hypothesis has a profile of its own, without deadline
    settings.load_profile("guosuo")


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of published test vectors: `GUOSUO_VECTORS`, or `../shared/vectors`.

    Without it a test is skipped at home and fails in CI.
    """
    repository = Path(__file__).resolve().parents[1]
    default = repository.parent / "shared" / "vectors"
    folder = Path(os.environ.get("GUOSUO_VECTORS") or default)
    if not folder.is_dir():
        missing = "the published vectors are missing: set GUOSUO_VECTORS"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return folder
