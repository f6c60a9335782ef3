"""A tree of images to be prepared."""

import pytest

from tests.trees import save


@pytest.fixture
def tree(tmp_path):
    """Two generators, one with classes, PNG and JPEG, in one split."""
    root = tmp_path / "Some Images"
    for index in range(3):
        save(root / f"progan/cat/0_real/{index}.png", index)
        save(root / f"progan/car/1_fake/{index}.png", 10 + index)
        save(root / f"stargan/0_real/{index}.jpg", 20 + index)
        save(root / f"stargan/1_fake/{index}.jpeg", 30 + index)
    return root
