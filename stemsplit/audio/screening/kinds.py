"""Kinds of files by their first bytes: which of ffmpeg's readers they may get, and what is checked.

ffmpeg knows some 350 formats, playlists and pictures and games among them, and guesses. Here a file
gets the reader that it was checked for, and what nobody has songs in gets none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stemsplit.audio.screening.asf import check_asf
from stemsplit.audio.screening.chunk_files import (
    check_aiff,
    check_avi,
    check_caf,
    check_dsdiff,
    check_w64,
    check_wav,
)
from stemsplit.audio.screening.headers import Headers
from stemsplit.audio.screening.matroska import check_matroska
from stemsplit.audio.screening.mp4 import check_mp4
from stemsplit.audio.screening.ogg_comments import check_ogg
from stemsplit.audio.screening.others import (
    check_dsf,
    check_flv,
    check_monkeys_audio,
    check_oma,
    check_raw,
    check_real,
    check_true_audio,
)
from stemsplit.audio.screening.vorbis import check_flac
from stemsplit.audio.screening.wavpack import check_wavpack

HEAD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Kind:
    """`demuxers`: ffmpeg's names for what may read it; none for pictures."""

    name: str
    demuxers: str = ""
    check: Callable[[Headers], None] | None = None


_WAV = Kind("wav", "wav", check_wav)
_KINDS = {
    b"fLaC": Kind("flac", "flac", check_flac),
    b"OggS": Kind("ogg", "ogg", check_ogg),
    b"\x1aE\xdf\xa3": Kind("matroska", "matroska", check_matroska),
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): Kind("asf", "asf", check_asf),
    b"riff\x2e\x91\xcf\x11": Kind("w64", "w64", check_w64),
    b"caff": Kind("caf", "caf", check_caf),
    b"FRM8": Kind("dsdiff", "iff", check_dsdiff),
    b"DSD ": Kind("dsf", "dsf", check_dsf),
    b"FLV": Kind("flv", "flv,live_flv", check_flv),
    b"MAC ": Kind("ape", "ape", check_monkeys_audio),
    b"ea3": Kind("oma", "oma", check_oma),
    b"EA3": Kind("oma", "oma", check_oma),
    b"TTA1": Kind("other", "tta", check_true_audio),
    b"wvpk": Kind("wavpack", "wv", check_wavpack),
    b".snd": Kind("au", "au"),
    b".RMF": Kind("rm", "rm", check_real),
    b".ra\xfd": Kind("rm", "rm", check_real),
}
# In RIFF and IFF the kind stands eight bytes further on.
_RIFF_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_RIFF_KINDS = {
    b"WAVE": _WAV,
    b"AVI ": Kind("avi", "avi", check_avi),
    b"AVIX": Kind("avi", "avi", check_avi),
    b"XWMA": Kind("xwma", "xwma"),
    b"WEBP": Kind("picture"),
}
_IFF_KINDS = {
    **dict.fromkeys((b"AIFF", b"AIFC"), Kind("aiff", "aiff", check_aiff)),
    **dict.fromkeys((b"8SVX", b"16SV", b"MAUD"), Kind("iff", "iff", check_aiff)),
}
# In MP4 and QuickTime it stands behind the size of the first box.
_MP4 = Kind("mp4", "mov", check_mp4)
_MP4_BOXES = (
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"udta", b"uuid", b"styp"),
    *(b"sidx", b"moof", b"junk", b"pict", b"PICT", b"prfl", b"meta", b"emsg"),
)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")

# Streams without headers, or with one of a fixed length and no tags but ID3 and APE.
OTHER = Kind(
    "other",
    "mp3,aac,ac3,ac4,eac3,dts,dtshd,truehd,mlp,loas,mpeg,mpegts,dv,amr,amrnb,amrwb,sbc,"
    "mpc,mpc8,tak,shn,voc,ircam,nistsphere,sox,pvf,avr,paf,dss,adx,aea,hca,qoa,"
    "ast,brstm,bfstm,hcom,sds,gsm,g729",
    check_raw,
)


def identify(head: bytes) -> Kind:
    """The kind of a file that begins so; `OTHER` if it says nothing."""
    if head[:4] in _RIFF_MAGIC:
        return _RIFF_KINDS.get(head[8:12], OTHER)
    if head[:4] == b"FORM":
        return _IFF_KINDS.get(head[8:12], OTHER)
    if head[4:8] in _MP4_BOXES:
        return _MP4
    if head.startswith(_PICTURES):
        return Kind("picture")
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), OTHER)
