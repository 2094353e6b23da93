"""Makes tensorflow.tar.gz with TensorFlow, which is no need of the tests: a checkpoint as Deezer's.

    python -m tests.golden.make_tensorflow

The values are those of `tests.models.deterministic_weights`; the names are those of a small
Spleeter, and of what training keeps beside it.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from tests.models.deterministic_weights import values_by_name

SHAPES = {
    **{f"conv2d{f'_{i}' if i else ''}/kernel": (5, 5, 2, 3) for i in range(14)},
    **{f"conv2d{f'_{i}' if i else ''}/bias": (3,) for i in range(14)},
    "conv2d/kernel/Adam": (5, 5, 2, 3),
    "batch_normalization/moving_variance": (16,),
    "beta1_power": (),
    "empty": (0, 4),
}


def main() -> None:
    import tensorflow.compat.v1 as tf  # type: ignore[import-not-found,unused-ignore]

    tf.disable_eager_execution()
    for name, shape in SHAPES.items():
        tf.get_variable(name, initializer=values_by_name(name, shape).numpy())
    tf.get_variable("global_step", initializer=tf.constant(500_000, tf.int64))
    path = Path(__file__).with_name("tensorflow.tar.gz")
    with tempfile.TemporaryDirectory() as folder, tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, f"{folder}/model")
        with tarfile.open(path, "w:gz") as archive:
            for file in sorted(Path(folder).iterdir()):
                if file.suffix != ".meta":  # the graph: large, and nobody reads it
                    archive.add(file, file.name)


if __name__ == "__main__":
    main()
