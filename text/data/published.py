"""Checksums that publishers, or the libraries that fetch from them, give for their files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

MD5: dict[str, dict[str, str]] = {
    "msmarco": {
        "collectionandqueries.tar.gz": "31644046b18952c1386cd4564ba2ae69",
        "queries.tar.gz": "c177b2795d5f2dcc524cf00fcd973be1",
        "qrels.train.tsv": "733fb9fe12d93e497f7289409316eccf",
        "qrels.dev.tsv": "9157ccaeaa8227f91722ba5770787b16",
        "triples.train.small.tar.gz": "c13bf99ff23ca691105ad12eab837f84",
        "qidpidtriples.train.full.tsv.gz": "215a5204288820672f5e9451d9e202c5",
        "qidpidtriples.train.full.2.tsv.gz": "219083e80a0a751c08b968c2f31a4e0b",
        "top1000.dev.tar.gz": "8c140662bdf123a98fbfe3bb174c5831",
        "msmarco-test2019-queries.tsv.gz": "eda71eccbe4d251af83150abe065368c",
        "2019qrels-pass.txt": "2f4be390198da108f6845c822e5ada14",
        "msmarco-test2020-queries.tsv.gz": "00a406fb0d14ed3752d70d1e4eb98600",
        "2020qrels-pass.txt": "0355ccee7509ac0463e8278186cdd8d1",
    },
}
"""By data set and file name; those of MS MARCO are in etc/downloads.json of ir_datasets."""


def compared(dataset: str, files: Iterable[Path]) -> dict[Path, bool]:
    """Whether each file is the published one; files of which no checksum is published are not in there.

    Cost: 2 seconds a GB.
    """
    known = MD5.get(dataset, {})
    found = {}
    for file in files:
        if file.name in known and file.is_file():
            with file.open("rb") as stream:
                found[file] = hashlib.file_digest(stream, "md5").hexdigest() == known[file.name]
    return found
