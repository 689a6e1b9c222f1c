"""Small files in every format, written on the spot."""

import gzip

import pytest


@pytest.fixture
def write(tmp_path):
    """write(name, content) -> the path of a file below a new folder; bytes or lines, gzipped for .gz."""

    def go(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            content = "".join(f"{line}\n" for line in content).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return go
