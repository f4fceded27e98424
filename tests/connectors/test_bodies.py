"""Bodies: content codings undone under a limit, JSON in all its framings, forms, text of any charset."""

import gzip
import json
import time
import tracemalloc
import zlib
from contextlib import suppress

import brotli
import cramjam
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import BodyTooLarge, Unparseable
from connectors.bodies import read_form, read_json, read_json_values, read_multipart, read_text
from connectors.codings import decode, peek

LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate (raw)": raw_deflate,
    "zstd": zstandard.ZstdCompressor().compress,
    "br": lambda data: brotli.compress(data, quality=3),
    "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
}
each_coding = pytest.mark.parametrize("coding", ENCODERS)


def header(coding: str) -> str:
    return coding.partition(" ")[0]


@each_coding
@pytest.mark.parametrize(
    "data", [b"", b"x", b'{"message": "permission denied"}' * 10_000], ids=["empty", "byte", "large"]
)
def test_what_was_compressed_comes_back(coding, data):
    assert decode(ENCODERS[coding](data), header(coding), LIMIT) == data


@each_coding
def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_refused(coding):
    assert len(decode(ENCODERS[coding](b"a" * LIMIT), header(coding), LIMIT)) == LIMIT
    with pytest.raises(BodyTooLarge):
        decode(ENCODERS[coding](b"a" * (LIMIT + 1)), header(coding), LIMIT)


@each_coding
def test_a_bomb_is_stopped_without_its_memory_or_time(coding):
    bomb = ENCODERS[coding](bytes(100_000_000))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(BodyTooLarge):
        decode(bomb, header(coding), LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000
    assert time.process_time() - began < 1


def test_nested_compression_is_undone_in_order_and_bounded_at_each_stage():
    assert decode(zlib.compress(gzip.compress(b"twice")), "gzip, deflate", LIMIT) == b"twice"
    with pytest.raises(BodyTooLarge):
        decode(gzip.compress(gzip.compress(bytes(50_000_000))), "gzip,gzip", LIMIT)
    with pytest.raises(Unparseable, match="4 codings"):
        decode(b"x", "gzip, gzip, gzip, gzip", LIMIT)


def test_the_limit_holds_for_the_body_as_sent():
    with pytest.raises(BodyTooLarge):
        decode(b"a" * (LIMIT + 1), "", LIMIT)


@each_coding
def test_damaged_and_cut_bodies_are_told_apart_from_whole_ones(coding):
    whole = ENCODERS[coding](b"permission denied for table orders " * 40)
    for broken in (whole[:-1], whole[: len(whole) // 2], b"\x00\xff" * 20):
        with pytest.raises(Unparseable):
            decode(broken, header(coding), LIMIT)


def test_parts_that_were_compressed_apart_are_read_as_one():
    assert decode(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", LIMIT) == b"one two"
    frames = zstandard.ZstdCompressor().compress(b"one ") + zstandard.ZstdCompressor().compress(b"two")
    assert decode(frames, "zstd", LIMIT) == b"one two"
    for coding, empty in (("gzip", gzip.compress(b"")), ("zstd", zstandard.ZstdCompressor().compress(b""))):
        with pytest.raises(Unparseable, match="more than 1000"):
            decode(empty * 1_100, coding, LIMIT)


def test_an_unknown_coding_is_named_with_those_that_are_known():
    with pytest.raises(Unparseable, match=r"'lzma' is not known; send gzip"):
        decode(b"x", "lzma")
    assert decode(b"x", "identity") == b"x"


@given(st.sampled_from(["gzip", "deflate", "zstd", "br"]), st.binary(max_size=200))
def test_arbitrary_bytes_never_break_a_decoder(coding, data):
    with suppress(Unparseable, BodyTooLarge):
        decode(data, coding, LIMIT)


def test_the_first_bytes_can_be_had_without_the_rest():
    assert peek(gzip.compress(bytes(10_000_000)), "gzip", 100) == bytes(100)
    assert peek(b"plain text", "", 5) == b"plain"
    assert peek(b"no gzip", "gzip", 5) == b""


@pytest.mark.parametrize(
    ("body", "values"),
    [
        pytest.param(b'{"a": 1}', [{"a": 1}], id="one object"),
        pytest.param(b'[1, "x"]', [[1, "x"]], id="one list"),
        pytest.param(b'{"a": 1}\n{"a": 2}\r\n\n{"a": 3}\n', [{"a": 1}, {"a": 2}, {"a": 3}], id="JSON Lines"),
        pytest.param(b'{"a": 1}{"a": 2} {"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}], id="concatenated"),
        pytest.param(b'{\n "a": 1\n}\n{\n "a": 2\n}', [{"a": 1}, {"a": 2}], id="concatenated and indented"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', [{"a": 1}], id="byte order mark"),
        pytest.param('{"a": "é"}'.encode("utf-16"), [{"a": "é"}], id="UTF-16"),
        pytest.param(b'{"a": "\xe9"}', [{"a": "\ufffd"}], id="broken UTF-8"),
        pytest.param(b'{"a": 1}\n{"a": 2, "b', [{"a": 1}, '{"a": 2, "b'], id="last line cut"),
        pytest.param(b'{"a": "\\u0026"}', [{"a": "&"}], id="Go's escapes"),
    ],
)
def test_json_is_read_in_every_framing(body, values):
    assert read_json_values(body) == values


@pytest.mark.parametrize("body", [b"", b"permission denied", b'{"a": ', b"[" * 100_000, b"9" * 5_000, b"{'a': 1}"])
def test_what_is_no_json_is_refused_and_says_where(body):
    for read in (read_json, read_json_values):
        with pytest.raises(Unparseable, match="JSON"):
            read(body)


def test_more_values_than_allowed_are_refused_for_their_number():
    with pytest.raises(BodyTooLarge, match="more than 10 events"):
        read_json_values(b"{}\n" * 11, most=10)


def test_a_declared_charset_is_honoured_and_a_strange_one_ignored():
    assert read_text("refusé".encode("latin-1"), "text/plain; charset=ISO-8859-1") == "refusé"
    assert read_text("refusé".encode("cp1252"), 'text/plain; charset="windows-1252"; x=y') == "refusé"
    for strange in ("punycode", "unicode_escape", "rot13", "zlib", "no-such", "\x00", "idna"):
        assert read_text("refusé".encode(), f"text/plain; charset={strange}") == "refusé"


def test_a_form_keeps_empty_fields_and_has_a_limit():
    assert read_form(b"payload=%7B%7D&empty=&plus=a+b") == {"payload": "{}", "empty": "", "plus": "a b"}
    with pytest.raises(Unparseable, match="1000 fields"):
        read_form(b"a=1&" * 1_001)


def test_json_with_repeated_keys_keeps_the_last_like_its_senders_do():
    assert read_json(b'{"a": 1, "a": 2}') == json.loads('{"a": 2}')


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n{"msg": "gr\xc3\xbcn"}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nleft out\r\n--b--\r\n'
)


def test_the_text_fields_of_a_multipart_body_are_read():
    assert read_multipart(MULTIPART, 'multipart/form-data; boundary="b"') == {"data": '{"msg": "grün"}'}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (MULTIPART, "multipart/form-data"),
        (MULTIPART, "multipart/form-data; boundary=other"),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=\u00e9"),
    ],
)
def test_a_broken_multipart_body_is_said_to_be_so(body, content_type):
    with pytest.raises(Unparseable):
        read_multipart(body, content_type)
