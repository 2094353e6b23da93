"""Files that a stranger made so that reading them takes gigabytes or minutes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.audio.songs import tone, write_pyav, write_sndfile

NUM_SAMPLES = 44_100
MANY = 25_000

_SNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
}
_PYAV = {
    "mp3": ("libmp3lame", "mp3", {"id3v2_version": "0", "write_id3v1": "0"}),
    "aac": ("aac", "adts", {}),
    "m4a": ("aac", "ipod", {}),
    "mkv": ("flac", "matroska", {}),
    "wma": ("wmav2", "asf", {}),
    "tta": ("tta", "tta", {}),
    "wv": ("wavpack", "wv", {}),
    "avi": ("pcm_s16le", "avi", {}),
    "flv": ("libmp3lame", "flv", {}),
}


def make_songs(folder: Path) -> dict[str, bytes]:
    """An intact second of sound in each format."""
    songs = {}
    samples = tone(NUM_SAMPLES)
    for kind, (container, subtype) in _SNDFILE.items():
        path = write_sndfile(folder / f"song.{kind}", samples, container=container, subtype=subtype)
        songs[kind] = path.read_bytes()
    for kind, (codec, container, options) in _PYAV.items():
        path = folder / f"song.{kind}"
        write_pyav(path, samples, codec=codec, container=container, options=options)
        songs[kind] = path.read_bytes()
    five_one = tone(NUM_SAMPLES, num_channels=6)
    path = write_sndfile(folder / "six.ogg", five_one, container="OGG", subtype="VORBIS")
    return {**songs, "six.ogg": path.read_bytes()}


@dataclass(frozen=True, slots=True)
class Hostile:
    """`kind`: the intact song that it is made of. `says`: the warning, or the error of one that
    cannot be read (`is_refused`)."""

    kind: str
    make: Callable[[bytes], bytes]
    says: str
    is_refused: bool = False


# ID3


def _id3(frames: bytes, version: int = 3, magic: bytes = b"ID3") -> bytes:
    return magic + bytes([version, 0, 0]) + _syncsafe(len(frames)) + frames


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _frame(name: bytes, body: bytes, version: int = 3, flags: bytes = b"\0\0") -> bytes:
    size = _syncsafe(len(body)) if version == 4 else struct.pack(">I", len(body))
    return name + size + flags + body


@cache
def _inflating(num_megabytes: int = 1300) -> bytes:
    """Zeros, in a thousandth of their length (RFC 1950)."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (num_megabytes << 20) % 65_521 << 16 | 1
    return b"\x78\xda" + num_megabytes * piece + b"\3\0" + struct.pack(">I", checksum)


def _compressed(version: int, name: bytes = b"TXXX") -> bytes:
    num_bytes = 1300 << 20
    if version == 3:
        return _frame(name, struct.pack(">I", num_bytes) + _inflating(), 3, b"\0\x80")
    return _frame(name, _syncsafe(0x0FFF_FFFF) + _inflating(), 4, b"\0\x09")


def _texts() -> bytes:
    return b"".join(_frame(b"TXXX", b"\0key%d\0value" % number) for number in range(MANY))


def _itunes_texts() -> bytes:
    """A flood behind a frame whose size has eight bits in a byte, and one whose size has seven."""
    first = b"TIT2" + struct.pack(">I", 200) + b"\0\0" + b"\0" + b"a" * 199
    second = b"TALB" + _syncsafe(300) + b"\0\0" + b"\0" + b"b" * 299
    return first + second + _texts()


def _picture(data: bytes, mime: bytes) -> bytes:
    return _frame(b"APIC", b"\0" + mime + b"\0\3\0" + data)


def huge_png(width: int = 14_000, height: int = 14_000) -> bytes:
    """A picture of three quarters of a gigabyte in less than one megabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = _inflating(width * height * 4 + height + (1 << 20) >> 20)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


# Chunks


def _riff_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _iff_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)


def _with_chunk(song: bytes, chunk: bytes) -> bytes:
    order = ">" if song.startswith(b"FORM") else "<"
    return song[:4] + struct.pack(order + "I", len(song) - 8 + len(chunk)) + song[8:] + chunk


def _before_chunks(song: bytes, chunk: bytes) -> bytes:
    order = ">" if song.startswith(b"FORM") else "<"
    size = struct.pack(order + "I", len(song) - 8 + len(chunk))
    return song[:4] + size + song[8:12] + chunk + song[12:]


_CLAIM = b"LIST" + struct.pack("<I", 20) + b"INFOISFT" + struct.pack("<I", 0x7FFF_FFF0) + b"a" * 8


def _rf64(song: bytes) -> bytes:
    """RF64, whose sizes stand elsewhere, with a claim behind the samples."""
    start = song.index(b"data") + 8
    num_bytes = len(song) - start
    sizes = struct.pack("<QQQI", len(song), num_bytes, num_bytes // 4, 0)
    head = b"RF64\xff\xff\xff\xffWAVE" + _riff_chunk(b"ds64", sizes)
    return head + song[12 : start - 4] + b"\xff\xff\xff\xff" + song[start:] + _CLAIM


def _infos() -> bytes:
    entries = (_riff_chunk(b"%04d" % (number % 10_000), b"abc\0") for number in range(MANY))
    return _riff_chunk(b"LIST", b"INFO" + b"".join(entries))


def _caf_info(song: bytes) -> bytes:
    texts = b"".join(b"key%d\0v\0" % number for number in range(MANY))
    info = struct.pack(">I", MANY) + texts
    start = song.index(b"data")
    return song[:start] + b"info" + struct.pack(">Q", len(info)) + info + song[start:]


def wave64_texts(texts: Sequence[tuple[bytes, str]]) -> bytes:
    """A chunk of Sony's Wave64 with these texts, each under a name of four letters."""
    body = struct.pack("<I", len(texts))
    for name, text in texts:
        value = text.encode("utf-16-le") + b"\0\0"
        body += name + struct.pack("<I", len(value)) + value
    guid = bytes.fromhex("bc945f925a52d21186dc00c04f8edb8a")
    return guid + struct.pack("<Q", 24 + len(body)) + body + bytes(-len(body) % 8)


def _wave64(song: bytes) -> bytes:
    texts = wave64_texts([(b"%04d" % (number % 10_000), "a") for number in range(MANY)])
    start = song.index(b"data\xf3\xac")
    return song[:start] + texts + song[start:]


# Vorbis comments


def _comments(count: int = MANY, *, name: bytes = b"key%d") -> bytes:
    texts = [(name % number if b"%" in name else name) + b"=value" for number in range(count)]
    listed = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack("<I", 1) + b"x" + struct.pack("<I", count) + listed


def _flac_block(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + struct.pack(">I", len(body))[1:] + body


def _with_blocks(song: bytes, blocks: bytes) -> bytes:
    frames = song[42:]
    frames = frames[frames.index(b"\xff\xf8") :]
    return song[:4] + b"\0" + song[5:42] + blocks + b"\x81\0\0\0" + frames


def _flac_picture(data: bytes) -> bytes:
    fields = struct.pack(">IIIII", 0, 1, 1, 24, 0)
    kind = struct.pack(">II", 3, 10) + b"image/jpeg" + fields + struct.pack(">I", len(data))
    return _flac_block(6, kind + data)


def _ogg_pages(song: bytes) -> list[bytes]:
    pages = []
    while song:
        num_segments = song[26]
        size = 27 + num_segments + sum(song[27 : 27 + num_segments])
        pages.append(song[:size])
        song = song[size:]
    return pages


def _ogg_comments(song: bytes) -> bytes:
    """The song with other comments, in pages that are as full as they can be."""
    from stemsplit.audio.containers.ogg_pages import seal_page

    first, *others = _ogg_pages(song)
    headers = b"".join(page[27 + page[26] :] for page in others if page[6:14] == bytes(8))
    start = headers.index(b"\3vorbis") + 7
    setup = headers[headers.index(b"\5vorbis") :]
    packets = [b"\3vorbis" + _comments() + b"\1", setup]
    lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    content = b"".join(packets)
    assert start
    pages, number = [], 1
    while lacing:
        now, lacing = lacing[:255], lacing[255:]
        flags = 0 if number == 1 else 1
        page = bytearray(song[:5] + bytes([flags]) + bytes(8) + song[14:18])
        page += struct.pack("<II", number, 0) + bytes([len(now)]) + now + content[: sum(now)]
        content = content[sum(now) :]
        seal_page(page)
        pages.append(bytes(page))
        number += 1
    sound = []
    for old in others:
        if old[6:14] != bytes(8):
            page = bytearray(old)
            page[18:22] = struct.pack("<I", number)
            seal_page(page)
            sound.append(bytes(page))
            number += 1
    return b"".join([first, *pages, *sound])


def _ape(count: int = 3000, size: int = 1) -> bytes:
    items = b"".join(struct.pack("<II", size, 0) + b"key%d\0v" % number for number in range(count))

    def mark(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, len(items) + 32, count, flags) + bytes(8)

    return mark(0xA000_0000) + items + mark(0x8000_0000)


# MP4


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    boxes = []
    while data:
        size, kind = struct.unpack_from(">I4s", data)
        boxes.append((kind, data[8:size]))
        data = data[size:]
    return boxes


def _replaced(data: bytes, path: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """The boxes with what is in the ones at `path` changed."""
    result = b""
    for kind, body in _boxes(data):
        if kind == path[0]:
            body = change(body) if len(path) == 1 else _replaced(body, path[1:], change)
        result += _box(kind, body)
    return result


_STBL = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_CLAIMED_PACKETS = 80_000_000


def _equal_sizes(song: bytes) -> bytes:
    """Tables of twenty bytes for 80 million packets of one byte."""
    tables = {
        b"stsz": struct.pack(">III", 0, 1, _CLAIMED_PACKETS),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, _CLAIMED_PACKETS, 1),
        b"stts": struct.pack(">IIII", 0, 1, _CLAIMED_PACKETS, 1024),
    }
    for kind, body in tables.items():
        song = _replaced(song, (*_STBL, kind), lambda _, body=body: body)
    return song


def _fragment(song: bytes) -> bytes:
    defaults = _box(b"trex", struct.pack(">IIIIII", 0, 1, 1, 1024, 1, 0))
    song = _replaced(song, (b"moov",), lambda body: body + _box(b"mvex", defaults))
    run = _box(b"trun", struct.pack(">II", 0, _CLAIMED_PACKETS))
    track = _box(b"traf", _box(b"tfhd", struct.pack(">II", 0, 1)) + run)
    return song + _box(b"moof", _box(b"mfhd", bytes(8)) + track)


def _mp4_tags(song: bytes, items: bytes) -> bytes:
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = _box(b"udta", _box(b"meta", bytes(4) + handler + _box(b"ilst", items)))
    return _replaced(song, (b"moov",), lambda body: body + tags)


def _free_form(number: int) -> bytes:
    parts = [
        _box(b"mean", bytes(4) + b"com.apple.iTunes"),
        _box(b"name", bytes(4) + b"key%d" % number),
        _box(b"data", struct.pack(">II", 1, 0) + b"v"),
    ]
    return _box(b"----", b"".join(parts))


def _quicktime_keys(song: bytes) -> bytes:
    names = b"".join(_box(b"mdta", b"key%d" % number) for number in range(MANY))
    value = _box(b"data", struct.pack(">II", 1, 0) + b"v")
    items = b"".join(
        struct.pack(">II", 8 + len(value), number + 1) + value for number in range(MANY)
    )
    handler = _box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    keys = _box(b"keys", struct.pack(">II", 0, MANY) + names)
    tags = _box(b"meta", handler + keys + _box(b"ilst", items))
    return _replaced(song, (b"moov",), lambda body: body + tags)


def _covers() -> bytes:
    cover = b"".join(
        _box(b"data", struct.pack(">II", 13, 0) + b"\xff\xd8\xff") for _ in range(MANY)
    )
    return _box(b"covr", cover)


# Matroska


def _element(number: str, body: bytes) -> bytes:
    return bytes.fromhex(number) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def _in_segment(song: bytes, extra: bytes) -> bytes:
    """The song with `extra` as the first thing in it, and of unknown length."""
    start = song.index(bytes.fromhex("18538067")) + 4
    num_size = 9 - song[start].bit_length()
    return song[:start] + b"\x01" + b"\xff" * 7 + extra + song[start + num_size :]


def _matroska_tags() -> bytes:
    return b"".join(
        _element("67C8", _element("45A3", b"key%d" % number) + _element("4487", b"v"))
        for number in range(MANY)
    )


def _tags_element() -> bytes:
    return _element("1254C367", _element("7373", _element("63C0", b"") + _matroska_tags()))


def _seek_to_tags(song: bytes) -> bytes:
    """Tags inside of something that is passed over, and an index that leads there."""
    hidden = _element("EC", _tags_element())
    seek = _element("53AB", bytes.fromhex("1254C367")) + _element("53AC", bytes(8))
    index = _element("114D9B74", _element("4DBB", seek))
    place = struct.pack(">Q", len(index) + 9)  # behind the number and the size of what hides it
    return _in_segment(song, index.replace(bytes(8), place) + hidden)


def _unordered_cues() -> bytes:
    cues = (
        _element(
            "BB",
            _element("B3", struct.pack(">I", MANY - number))
            + _element("B7", b"\xf7\x81\1\xf1\x81\1"),
        )
        for number in range(MANY)
    )
    return _element("1C53BB6B", b"".join(cues))


# Others


def _windows_media(song: bytes) -> bytes:
    def attribute(number: int) -> bytes:
        name, value = f"key{number}\0".encode("utf-16-le"), "v\0".encode("utf-16-le")
        return struct.pack("<H", len(name)) + name + struct.pack("<HH", 0, len(value)) + value

    body = struct.pack("<H", 60_000) + b"".join(map(attribute, range(60_000)))
    guid = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
    item = guid + struct.pack("<Q", 24 + len(body)) + body
    (size, count) = struct.unpack_from("<QI", song, 16)
    head = song[:16] + struct.pack("<QI", size + len(item), count + 1) + song[28:30]
    return head + item + song[30:]


def _flash(song: bytes) -> bytes:
    pairs = b"".join(
        struct.pack(">H", len(name)) + name + b"\2\0\1v"
        for name in (b"key%d" % number for number in range(MANY))
    )
    body = b"\2\0\x0aonMetaData\x08\0\0\0\0" + pairs + b"\0\0\x09"
    tag = b"\x12" + struct.pack(">I", len(body))[1:] + bytes(7) + body
    return song[:13] + tag + struct.pack(">I", len(tag)) + song[13:]


def _monkeys_audio(_: bytes) -> bytes:
    frames = 20_000_000
    head = b"MAC " + struct.pack("<HHIIIIIII", 3990, 0, 52, 24, 4 * frames, 0, 1000, 0, 0)
    return head + bytes(16) + struct.pack("<HHIIIHHI", 2000, 0, 73_728, 1000, frames, 16, 2, 44_100)


_ID3 = "The ID3 tag of .* was left out: it has "
_COMMENT = "The Vorbis comment of .* was left out: it has "


def _files() -> Mapping[str, Hostile]:
    files: dict[str, Hostile] = {}
    for version in (3, 4):
        tag: Callable[[], bytes] = lambda v=version: _id3(_compressed(v), v)  # noqa: E731
        says = _ID3 + "a compressed entry that may grow to 1[0-9]{3} MB"
        for kind in ("mp3", "aac", "flac", "tta"):
            make = lambda song, tag=tag: tag() + song  # noqa: E731
            files[f"compressed-{version}.{kind}"] = Hostile(kind, make, says)
        for kind, chunk, name in (("wav", _riff_chunk, b"id3 "), ("aiff", _iff_chunk, b"ID3 ")):
            make = lambda song, c=chunk, n=name, tag=tag: _with_chunk(song, c(n, tag()))  # noqa: E731
            files[f"compressed-{version}.{kind}"] = Hostile(kind, make, says)
    many = "more than 2000 entries"
    return {
        **files,
        "picture.mp3": Hostile("mp3", lambda s: _id3(_compressed(3, b"APIC")) + s, _ID3 + "a comp"),
        "texts.mp3": Hostile("mp3", lambda s: _id3(_texts()) + s, _ID3 + many),
        "two-tags.mp3": Hostile("mp3", lambda s: _id3(b"") + _id3(_texts()) + s, _ID3 + many),
        "sizes.mp3": Hostile("mp3", lambda s: _id3(_itunes_texts(), 4) + s, _ID3 + many),
        "texts.wav": Hostile(
            "wav", lambda s: _with_chunk(s, _riff_chunk(b"id3 ", _id3(_texts()))), _ID3 + many
        ),
        "within.aac": Hostile("aac", lambda s: s + _id3(_texts()) + s, _ID3 + many),
        "list.mp3": Hostile(
            "mp3", lambda s: _id3(_frame(b"TPE1", b"\3" + b"a\0" * MANY)) + s, _ID3 + many
        ),
        "covers.mp3": Hostile(
            "mp3",
            lambda s: _id3(_picture(b"\xff\xd8\xff", b"image/jpeg") * 5000) + s,
            _ID3 + "more than 64 pictures",
        ),
        "png.mp3": Hostile("mp3", lambda s: _id3(_picture(huge_png(), b"image/png")) + s, ""),
        "claim.wav": Hostile(
            "wav", lambda s: _with_chunk(s, _CLAIM), "an entry claims 2147483632 bytes"
        ),
        "first.wav": Hostile(
            "wav", lambda s: _before_chunks(s, _CLAIM), "an entry claims 2147483632 bytes"
        ),
        "long.wav": Hostile("wav", _rf64, "an entry claims 2147483632 bytes"),
        "nothing.wav": Hostile(
            "wav",
            lambda _: b"RIFF\x7c\0\0\0WAVELIST\xff\xff\xff\xff" + _CLAIM[8:] + bytes(88),
            "is not audio",
            is_refused=True,
        ),
        "infos.wav": Hostile("wav", lambda s: _with_chunk(s, _infos()), f"list of texts .*{many}"),
        "claim.avi": Hostile("avi", lambda s: _before_chunks(s, _CLAIM), "an entry claims 2147483"),
        "infos.avi": Hostile(
            "avi", lambda s: _before_chunks(s, _infos()), f"list of texts .*{many}"
        ),
        "texts.w64": Hostile("w64", _wave64, f"list of texts .*{many}"),
        "texts.caf": Hostile("caf", _caf_info, f"list of texts .*{many}"),
        "comments.flac": Hostile(
            "flac", lambda s: _with_blocks(s, _flac_block(4, _comments())), _COMMENT + "25000"
        ),
        "joined.flac": Hostile(
            "flac",
            lambda s: _with_blocks(s, _flac_block(4, _comments(name=b"a"))),
            _COMMENT + "25000",
        ),
        "covers.flac": Hostile(
            "flac",
            lambda s: _with_blocks(s, _flac_picture(b"\xff\xd8\xff") * 5000),
            "A picture of .* more than 64 pictures",
        ),
        "comments.ogg": Hostile("ogg", _ogg_comments, _COMMENT + "25000"),
        "six.ogg": Hostile("six.ogg", _ogg_comments, _COMMENT + "25000"),
        "chained.ogg": Hostile("six.ogg", lambda s: s + _ogg_comments(s), _COMMENT + "25000"),
        "tag.wv": Hostile("wv", lambda s: s + _ape(), f"The APE tag .*{many}"),
        "size.wv": Hostile("wv", lambda s: s + _ape(1, 2**31 - 100), "an entry claims 2147483548"),
        "tag.tta": Hostile("tta", lambda s: s + _ape(), f"The APE tag .*{many}"),
        "tag.mp3": Hostile("mp3", lambda s: s + _ape() + b"TAG" + bytes(125), f"APE tag .*{many}"),
        "sizes.m4a": Hostile("m4a", _equal_sizes, "claims to have 80000000 packets", True),
        "fragment.m4a": Hostile("m4a", _fragment, "claims to have 8000[0-9]{4} packets", True),
        "texts.m4a": Hostile(
            "m4a",
            lambda s: _mp4_tags(s, b"".join(map(_free_form, range(MANY)))),
            f"The MP4 tag .*{many}",
        ),
        "keys.m4a": Hostile("m4a", _quicktime_keys, f"The MP4 tag .*{many}"),
        "covers.m4a": Hostile("m4a", lambda s: _mp4_tags(s, _covers()), "more than 64 pictures"),
        "deep.m4a": Hostile(
            "m4a",
            lambda s: s[: s.index(b"moov") - 4] + _nested(b"moov", 5000),
            "has boxes in boxes",
            is_refused=True,
        ),
        "tags.mkv": Hostile(
            "mkv", lambda s: _in_segment(s, _tags_element()), f"The Matroska tag .*{many}"
        ),
        "index.mkv": Hostile("mkv", _seek_to_tags, f"The Matroska tag .*{many}"),
        "lost.mkv": Hostile(
            "mkv", lambda s: _in_segment(s, bytes(100) + _tags_element()), f"tag .*{many}"
        ),
        "cues.mkv": Hostile("mkv", lambda s: _in_segment(s, _unordered_cues()), ""),
        "tracks.mkv": Hostile(
            "mkv",
            lambda s: _in_segment(s, _element("1654AE6B", b"\xae\x80" * 1_000_000)),
            "more than 500 tracks",
            is_refused=True,
        ),
        "attribute.wma": Hostile("wma", _windows_media, f"Windows Media tag .*{many}"),
        "names.flv": Hostile("flv", _flash, "Flash metadata .*more than 16384 bytes"),
        "frames.ape": Hostile("wv", _monkeys_audio, "claims to have 20000000 frames", True),
    }


def _nested(kind: bytes, depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = _box(kind, body)
    return body


FILES = _files()
