"""Makes xumx_sony.zip and xumx_sony.npz with the authors' own program, no package to install.

    python -m tests.golden.make_xumx_sony REFERENCE

REFERENCE is the folder `x-umx` of https://github.com/sony/ai-research-code at commit cfe96df, run
with nnabla 1.39.0 (Python 3.10), norbert 0.2.1 and SciPy. xumx_sony.zip has the weights as their
library saves them, in the layout of the published file; xumx_sony.npz what comes out.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.golden.make_xumx import tracks
from tests.models.deterministic_weights import values_by_name

STEMS = ("bass", "drums", "vocals", "other")
"""In the order of their program."""
N_FFT, HOP, MAX_BIN, HIDDEN_SIZE = 64, 16, 24, 12
NUM_SAMPLES = 100 * HOP


def values(name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Of the tensor that their library calls `name`."""
    size = int(np.prod(shape))
    if "/bn/" in name:
        kind = "running_var" if name.endswith(("var", "gamma")) else "bias"
        drawn = values_by_name(f"{name}.{kind}", [size])
    elif name.endswith("bias") or "/" not in name:
        drawn = values_by_name(name, [size])
    else:
        drawn = values_by_name(name, [size // shape[-1], shape[-1]])
    if "output_mean" in name:  # about as loud as stems are
        drawn += 0.3
    return drawn.reshape(shape).numpy()


def main(reference: str) -> None:
    sys.path.insert(0, reference)
    import model
    import nnabla as nn
    import norbert
    import scipy.signal

    defaults = list(model.BaseClass.__init__.__defaults__)
    defaults[1:5] = N_FFT, HOP, False, HIDDEN_SIZE
    model.BaseClass.__init__.__defaults__ = tuple(defaults)
    nn.set_auto_forward(True)
    song = tracks()["song"][1][:, 1600 : 1600 + NUM_SAMPLES]
    heard = nn.Variable.from_numpy_array(song[None].numpy())
    network = model.OpenUnmix_CrossNet(max_bin=MAX_BIN, is_predict=True)
    network(heard, test=True)
    for name, parameter in nn.get_parameters(grad_only=False).items():
        parameter.d = values(name, parameter.shape)
    magnitudes, masks, _ = model.OpenUnmix_CrossNet(max_bin=MAX_BIN, is_predict=True)(
        heard, test=True
    )
    stems = [(masks[..., 2 * j : 2 * j + 2, :] * magnitudes).d[:, 0] for j in range(len(STEMS))]
    real, imaginary = model.get_stft(heard, n_fft=N_FFT, n_hop=HOP)
    mixture = (real.d + 1j * imaginary.d)[0].transpose(2, 1, 0)  # [N, F, C]
    estimates = norbert.wiener(
        np.stack(stems).transpose(1, 3, 2, 0), mixture.astype(np.complex128), 1, use_softmask=False
    )
    _, signals = scipy.signal.istft(
        estimates.transpose(3, 2, 1, 0) / (N_FFT / 2), nperseg=N_FFT, noverlap=N_FFT - HOP
    )
    folder = Path(__file__).parent
    np.savez_compressed(folder / "xumx_sony.npz", song=signals.astype(np.float32))
    with TemporaryDirectory() as place:
        file = Path(place) / "x-umx.h5"
        nn.save_parameters(str(file))
        with zipfile.ZipFile(folder / "xumx_sony.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(file, file.name)


if __name__ == "__main__":
    main(sys.argv[1])
