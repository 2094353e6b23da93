"""One output file in the making, from its first block to its final name."""

from __future__ import annotations

import threading
import zlib
from contextlib import suppress
from pathlib import Path

import soundfile
from torch import Tensor

from stemsplit.audio.encode.encoders import (
    Dither,
    Encoder,
    Spool,
    StreamFormat,
    fit,
    open_encoder,
    read_spool,
)
from stemsplit.audio.write.output_files import new_temporary, publish, writing


class StemStream:
    """Writes one stream to hidden files beside `path`, the last of which gets that name.

    The streams of a track are completed side by side. So nothing of a stream is in a list that all
    of them change: its files and its encoder are its own, and one thread at a time works on it.

    `spools`: the samples are kept as they are until a gain is known.
    """

    def __init__(
        self, name: str, path: Path, form: StreamFormat, *, key: str, spools: bool
    ) -> None:
        self.path = path
        self.num_samples = 0
        self.num_clipped = 0
        self.high = 0.0
        self.low = 0.0
        self._form = form
        self._key = key
        # Every stem has noise of its own: equal noise would add up in a mix of the stems.
        self._dither = Dither(zlib.crc32(name.encode())) if form.encoding.dither else None
        self._spool = self._new_temporary() if spools else None
        self._file = None if spools else self._new_temporary()
        self._encoder: Encoder | None = None

    @property
    def temporary(self) -> Path:
        """Where the stream is for now."""
        temporary = self._file or self._spool
        assert temporary is not None
        return temporary

    @property
    def peak(self) -> float:
        return max(self.high, -self.low)

    def open(self) -> None:
        """Makes the first file.

        Raises:
            OSError, soundfile.LibsndfileError: it cannot be made.
        """
        if self._spool is not None:
            self._encoder = Spool(self._spool)
        else:
            self._encoder = open_encoder(self.temporary, self._form)

    def write(self, block: Tensor) -> None:
        """Appends a block [C, T]."""
        self._measure(block)
        with writing(self.path):
            if self._spool is not None:
                assert self._encoder is not None
                self._encoder.write(block)
            else:
                self._encode(block)

    def complete(self, gain: float, abandoned: threading.Event) -> None:
        """Finishes the file under its temporary name, unless `abandoned` is set meanwhile."""
        with writing(self.path):
            self._close()
            if self._spool is not None and not abandoned.is_set():
                self._encode_spool(self._spool, gain, abandoned)

    def _encode_spool(self, spool: Path, gain: float, abandoned: threading.Event) -> None:
        """Turns the spool into the finished file, a block at a time."""
        self._file = self._new_temporary()
        self._encoder = open_encoder(self._file, self._form)
        for block in read_spool(spool, self._form.num_channels):
            if abandoned.is_set():  # the file is never finished
                return
            self._encode(block * gain)
        self._close()
        # At once, so that as little as possible is on the disk twice.
        spool.unlink()
        self._spool = None

    def publish(self, *, may_replace: bool) -> None:
        """Gives the finished file its name."""
        with writing(self.path):
            publish(self.temporary, self.path, may_replace=may_replace)
        self._file = None

    def discard(self) -> None:
        """Removes what was not published. A failure here must not hide the error on its way."""
        with suppress(OSError, soundfile.LibsndfileError):
            self._close()
        for temporary in (self._spool, self._file):
            with suppress(OSError):
                if temporary is not None:
                    temporary.unlink(missing_ok=True)
        self._spool = self._file = None

    def _measure(self, block: Tensor) -> None:
        self.num_samples += block.shape[-1]
        if block.numel():
            samples = block.numpy()
            self.high = max(self.high, float(samples.max()))
            self.low = min(self.low, float(samples.min()))

    def _encode(self, block: Tensor) -> None:
        assert self._encoder is not None
        samples, num_cut = fit(block, self._form.encoding, self._dither)
        self.num_clipped += num_cut
        self._encoder.write(samples)

    def _close(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.close()

    def _new_temporary(self) -> Path:
        return new_temporary(self.path.parent, self._key)
