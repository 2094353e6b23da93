"""Small texts: bags in yaml, records in JSON, templates of file names."""

from __future__ import annotations

import json
from pathlib import Path

from stemsplit.audio.stretch import Stretch
from stemsplit.batch.earlier import earlier_outputs, is_settled
from stemsplit.batch.fingerprint import changes
from stemsplit.batch.journal import ReadingJournal, read_journal
from stemsplit.batch.originals import kinship, recorded_song
from stemsplit.batch.record_file import missing_outputs, owns, read_record, recorded_outputs
from stemsplit.batch.song import AlbumTrack, Song
from stemsplit.batch.template import (
    FIELDS,
    check_template,
    finer_templates,
    output_path,
    record_path,
)
from stemsplit.checkpoints.bag_file import parse_bag
from stemsplit.engine.record import WrittenFile
from stemsplit.errors import StemsplitError
from tests.fuzz.target import Target

JSON_WORDS = (
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"null", b"true", b"NaN", b"Infinity", b"1e999"),
    *(b"-1", b"0", b"2147483648", b"9" * 30, b"9" * 5000, b"1.5", b'""', b'"\\ud800"', b"\xff"),
    *(b"[" * 20_000, b'{"a":' * 2000, b'"\\u0000"', b'"F64"', b'"F4"', b'"I8"', b'"shape"'),
    *(b"[[],[]]", b'{"_type": "fraction", "numerator": 1, "denominator": 0}', b'"klass"'),
    *(b'"dtype"', b'"data_offsets"', b'"__metadata__"', b'"args"', b'"kwargs"', b'"structure"'),
)

_BAG_SEEDS = (
    b"models: ['955717e8', '04573012']\nweights: [[1., 0.], [0., 1.]]\nsegment: 44\n",
    b"models:\n- f7e0c4bc\n- d12395a8\n- 92cfc3b6\n- 04573012\n",
    b"models: [a]\nweights: [[1, 2, 3]]\n",
)
BAG_WORDS = (
    *(b"&a [*a]", b"&a ", b"*a", b"<<: *a", b"!!python/object/apply:os.system ['touch pwned']"),
    *(b"!!python/name:os.system", b"!!binary ", b"[" * 5000, b"{" * 5000, b"- " * 5000, b"? "),
    *(b"---\n", b"...\n", b"%YAML 9.9\n", b"\t", b"|\n ", b">\n ", b"../../x", b"'/etc/passwd'"),
    *(b".inf", b".nan", b"-1", b"1e999", b"9" * 5000, b"0x10", b"~", b"null", b"\xff\xfe", b"\0"),
    *(b"models: ", b"weights: ", b"segment: ", b"&a [&b [*a, *b], *a]", b"\xef\xbb\xbf"),
)


def _read_bag(path: Path) -> None:
    parse_bag(path.read_bytes(), str(path))


_RECORD_WORDS = (
    *JSON_WORDS,
    *(b'"../../victim"', b'"/etc/passwd"', b'".."', b'"\\u0000"', b'"a/../../../x"', b'"file"'),
    *(
        b'"outputs"',
        b'"sha256"',
        b'"bytes"',
        b'"schema": 1',
        b'"fingerprint"',
        b'"earlier"',
        b'"stale"',
        b'"set"',
    ),
)


_WANTED = {"input_sha256": "cd" * 32, "options": {"seed": 0}}


def _record_seeds(folder: Path) -> list[bytes]:
    del folder
    output = {"stem": "bass", "file": "bass.wav", "bytes": 5, "sha256": "ab" * 32}
    record = {
        "schema": 1,
        "fingerprint": _WANTED,
        "outputs": [output, {**output, "stem": "drums", "file": "drums.wav"}],
        "earlier": [{**output, "file": "old.wav", "prefixes": "00 11", "set": "0", "stale": True}],
        "gain_db": 0.0,
        "warnings": [],
        "input": {
            "path": "/gone/a.wav",
            "track": {"sheet": "/gone/a.cue", "number": 1, "name": "1", "start_frame": 0},
        },
    }
    return [json.dumps(record).encode(), json.dumps(record, indent=2).encode()]


def _read_record(path: Path) -> None:
    record = read_record(path)
    recorded_outputs(path)
    if record is None:
        raise StemsplitError("There is no record that can be understood.")
    wanted = {name: path.with_name(f"{name}.wav") for name in ("bass", "drums")}
    assert missing_outputs(record, wanted, path.parent) == list(wanted)
    song = recorded_song(record)
    assert song is None or "\0" not in str(song.input)
    track = AlbumTrack(sheet=path, number=1, name="1", stretch=Stretch(start=0))
    for each in (Song(path), Song(path, track=track)):
        kinship(record, each, lambda path: path.name)
    changes(record.fingerprint, _WANTED)
    assert changes(record.fingerprint, {**_WANTED, "never": "so"})
    outputs = [WrittenFile(file="bass.wav", sha256="ef" * 32)]
    assert earlier_outputs(record, path.parent, outputs, own_set="00000000") == ()
    assert not owns(record, path.parent, path.with_name("bass.wav"))
    is_settled(record)


def _journal_seeds(folder: Path) -> list[bytes]:
    song = folder / "song.wav"
    song.write_bytes(b"RIFF")
    state = [4, song.stat().st_mtime_ns]
    journal = {"reading": {str(song): state}, "suspects": {str(folder): state, "gone": [0, 0]}}
    return [json.dumps(journal).encode() + b"\n", json.dumps(journal, indent=1).encode()]


def _read_journal(path: Path) -> None:
    suspects = dict(read_journal(path))
    if not suspects:
        raise StemsplitError("The journal suspects nobody.")
    journal = ReadingJournal(None, suspects)
    assert all(journal.is_suspect(suspect) for suspect in journal.suspects)


_TEMPLATE_SEEDS = (
    b"{model}/{dir}/{track}/{stem}.{ext}\xff htdemucs\xffalbum/cd 1\xffsong\xffbass\xffwav",
    b"{track}-{stem}.{ext}\xffm\xff\xffsong\xffbass\xffflac",
    b"{stem}/{track} ({model}).{ext}\xffm\xffa\xffsong\xffbass\xffwav",
)
_TEMPLATE_WORDS = (
    *(b"..", b"../", b"/", b"\\", b"..\\", b"C:", b"C:\\", b"//host/share/", b"\\\\?\\", b"~"),
    *(b"{", b"}", b"{{", b"}}", b"{}", b"{0}", b"{stem}", b"{dir}", b"{track}", b"{ext}", b"\0"),
    *(b"{root}", b"{original_ext}", b"{id}", b"{{stem}}", b"{stem:}", b".{original_ext}"),
    *(b"{stem!r}", b"{stem:>9999999999}", b"{stem.__class__}", b"{track[0]}", b"{stem:{ext}}"),
    *(b"\n", b"\x1b[31m", b"\xff", b"\xff", b"\x80", b"\xed\xa0\x80", b"CON", b"nul.", b"... "),
    *(b".", b" ", b"stemsplit.json", "\N{FULLWIDTH SOLIDUS}".encode(), b"a" * 300, b"%2e%2e%2f"),
)


def _use_template(path: Path) -> None:
    template, *values = path.read_bytes().split(b"\xff")
    fields = dict.fromkeys(FIELDS, "")
    fields.update(zip(FIELDS, (v.decode(errors="surrogateescape") for v in values), strict=False))
    checked = check_template(template.decode(errors="surrogateescape"))
    root = Path("/out/put")
    for finer in finer_templates(checked):
        assert check_template(finer) == finer
        for file in (output_path(root, finer, fields), record_path(root, finer, fields)):
            assert file != root
            assert root in file.parents, f"{file} is outside"
            assert ".." not in file.parts


TEXT_TARGETS = {
    "bag": Target(
        ".yaml",
        lambda _: _BAG_SEEDS,
        _read_bag,
        BAG_WORDS,
    ),
    "record": Target(".json", _record_seeds, _read_record, _RECORD_WORDS),
    "journal": Target(".json", _journal_seeds, _read_journal, JSON_WORDS),
    "template": Target(".txt", lambda _: _TEMPLATE_SEEDS, _use_template, _TEMPLATE_WORDS),
}
