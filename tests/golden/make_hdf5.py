"""Makes hdf5.zip with h5py 3.16.0, which is no need of the tests.

python -m tests.golden.make_hdf5
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.models.deterministic_weights import values_by_name

SHAPES: dict[str, tuple[int, ...]] = {
    "scalar": (),
    "doubles": (2, 3),
    "deep/er/est": (1, 2, 1, 2),
    # More than a node of a group's tree has room for, and than one level of nodes.
    **{f"many/array_{number:03d}": (number % 3 + 1,) for number in range(300)},
}


def make(path: Path) -> None:
    """Writes the arrays as a library of networks does, with attributes nobody asks for."""
    import h5py

    with h5py.File(path, "w") as file:
        for index, (name, shape) in enumerate(SHAPES.items()):
            dtype = "f8" if name == "doubles" else "f4"
            array = file.create_dataset(name, data=values_by_name(name, shape).numpy(), dtype=dtype)
            array.attrs["need_grad"] = True
            array.attrs["index"] = index
        for number in range(20):  # more than fit into the header's first piece
            file["scalar"].attrs[f"attribute {number}"] = "x" * number


if __name__ == "__main__":
    with (
        TemporaryDirectory() as folder,
        zipfile.ZipFile(
            Path(__file__).with_name("hdf5.zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=9
        ) as archive,
    ):
        make(Path(folder, "arrays.h5"))
        archive.write(Path(folder, "arrays.h5"), "arrays.h5")
