"""Bodies as they come over the wire: undone content codings, JSON in all its framings, forms, text of any charset.

Everything here is bounded: a decoder stops as soon as its output passes the limit, so that a small hostile body cannot
become a large one in memory.
"""

import codecs
import json
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import brotli
import msgspec
import zstandard

from connectors.base import BodyTooLarge, Unparseable

DECODED_LIMIT = 20 * 1024 * 1024
MOST_VALUES = 10_000
_MOST_CODINGS = 3
_MOST_MEMBERS = 1_000
_CHUNK = 64 * 1024
_ZSTD_CHUNK = 256  # zstandard cannot cap one step's output; four bytes of input make 128 KiB at most
_ZSTD_WINDOW = 8 * 1024 * 1024  # what RFC 9659 lets a sender use; more would let a frame header claim gigabytes
_CHARSETS = ("ascii", "utf-8", "utf-16", "utf-32", "iso8859", "cp125", "koi8", "shift_jis", "euc", "gb", "big5")


def decode(raw: bytes, content_encoding: str = "", limit: int = DECODED_LIMIT) -> bytes:
    """Undo the `Content-Encoding` of a body: gzip, deflate (zlib or raw), zstd, br, or several in a row.

    `limit` is in bytes and holds for the body as sent and for every stage of decoding.
    Raises `BodyTooLarge` past it and `Unparseable` for an unknown coding or damaged data.
    """
    codings = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(codings) > _MOST_CODINGS:
        raise Unparseable(f"Content-Encoding names {len(codings)} codings; at most {_MOST_CODINGS} are undone")
    body = _within(raw, limit)
    for name in reversed(codings):
        body = _decoder(name)(body, limit) if body else body
    return body


def peek(raw: bytes, content_encoding: str, size: int) -> bytes:
    """The first bytes of a gzip, deflate or plain body; empty where they cannot be had cheaply. Never raises."""
    if not content_encoding:
        return raw[:size]
    try:
        return zlib.decompressobj(47).decompress(raw[: size + 1024], size)
    except zlib.error:
        return b""


def _decoder(name: str) -> Callable[[bytes, int], bytes]:
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise Unparseable(f"Content-Encoding {name[:40]!r} is not known; send gzip, deflate, zstd, br or none")
    return decoder


def _within(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise BodyTooLarge(f"The body has more than {limit} bytes; send smaller batches")
    return data


def _gunzip(data: bytes, limit: int) -> bytes:
    out = bytearray()
    position = 0
    for _ in range(_MOST_MEMBERS):
        position = _inflate_member(data, position, 31, out, limit)
        if data[position : position + 2] != b"\x1f\x8b":
            return bytes(out)
    raise Unparseable(f"The gzip body has more than {_MOST_MEMBERS} members")


def _inflate(data: bytes, limit: int) -> bytes:
    has_zlib_header = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    out = bytearray()
    _inflate_member(data, 0, 15 if has_zlib_header else -15, out, limit)
    return bytes(out)


def _inflate_member(data: bytes, position: int, window: int, out: bytearray, limit: int) -> int:
    """Inflate one member into `out`; return where it ended."""
    member = zlib.decompressobj(window)
    view = memoryview(data)
    while not member.eof:
        chunk = view[position : position + _CHUNK]
        if not chunk:
            raise Unparseable("The compressed body is cut short")
        position += len(chunk)
        try:
            out += member.decompress(chunk, limit + 1 - len(out))
        except zlib.error as error:
            raise Unparseable("The compressed body is damaged, or is not what Content-Encoding says") from error
        _refuse_over(len(out), limit)
    return position - len(member.unused_data)


def _refuse_over(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLarge(f"The body decompresses to more than {limit} bytes; send smaller batches")


def _unzstd(data: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    out = bytearray()
    position = 0
    for _ in range(_MOST_MEMBERS):
        frame = decompressor.decompressobj()
        while not frame.eof:
            chunk = data[position : position + _ZSTD_CHUNK]
            if not chunk:
                raise Unparseable("The compressed body is cut short")
            position += len(chunk)
            try:
                out += frame.decompress(chunk)
            except zstandard.ZstdError as error:
                raise Unparseable("The zstd body is damaged") from error
            _refuse_over(len(out), limit)
        position -= len(frame.unused_data)
        if position == len(data):
            return bytes(out)
    raise Unparseable(f"The zstd body has more than {_MOST_MEMBERS} frames")


def _unbrotli(data: bytes, limit: int) -> bytes:
    decompressor = brotli.Decompressor()
    out = bytearray()
    try:
        piece = decompressor.process(data, output_buffer_limit=_CHUNK)
        while not decompressor.is_finished():
            if not piece and decompressor.can_accept_more_data():
                raise Unparseable("The compressed body is cut short")
            out += piece
            _refuse_over(len(out), limit)
            piece = decompressor.process(b"", output_buffer_limit=_CHUNK)
    except brotli.error as error:
        raise Unparseable("The br body is damaged") from error
    out += piece
    _refuse_over(len(out), limit)
    return bytes(out)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "zstd": _unzstd,
    "br": _unbrotli,
}


def read_text(body: bytes, content_type: str = "") -> str:
    """The body as text. A byte order mark beats the declared charset; what does not decode becomes U+FFFD."""
    for mark, charset in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if body.startswith(mark):
            return body.decode(charset, "replace")
    return body.decode(_charset(content_type), "replace")


def _charset(content_type: str) -> str:
    name = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        codec = codecs.lookup(name).name if name else "utf-8"
    except (LookupError, ValueError):
        return "utf-8"
    # Python's registry also holds codecs that are no charsets, some of them slow on hostile input
    return codec if codec.startswith(_CHARSETS) else "utf-8"


def read_json(body: bytes, content_type: str = "") -> Any:
    """One JSON value. Raises `Unparseable`, saying where, for anything else; `NaN` and a stray byte are let pass."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _read_json_leniently(read_text(body, content_type))
    except RecursionError:
        raise Unparseable("The JSON is nested too deeply") from None


def _read_json_leniently(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Unparseable(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        raise Unparseable("Not JSON: a number has too many digits") from error
    except RecursionError:
        raise Unparseable("The JSON is nested too deeply") from None


def read_json_values(body: bytes, content_type: str = "", most: int = MOST_VALUES) -> list[Any]:
    """All values of a JSON, JSON Lines or concatenated JSON body, in order.

    In JSON Lines a line that is no JSON (a shipper cut it) stands as a string, provided that the first line is JSON.
    Raises `Unparseable` when the body begins with no JSON, `BodyTooLarge` for more than `most` values.
    """
    try:
        return [read_json(body, content_type)]
    except Unparseable as error:
        text = read_text(body, content_type)
        values = _concatenated(text, most) or _lines(text, most)
        if not values:
            raise error from None
        return values


def _concatenated(text: str, most: int) -> list[Any]:
    decoder = json.JSONDecoder()
    values: list[Any] = []
    text = text.strip()
    position = 0
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        values.append(value)
        _refuse_more(values, most)
        while position < len(text) and text[position] in " \t\r\n\x1e":
            position += 1
    return values


def _lines(text: str, most: int) -> list[Any]:
    values: list[Any] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            values.append(_read_json_leniently(line))
        except Unparseable:
            if not values:
                return []
            values.append(line)
        _refuse_more(values, most)
    return values


def _refuse_more(values: list[Any], most: int) -> None:
    if len(values) > most:
        raise BodyTooLarge(f"The body has more than {most} events; send smaller batches")


def read_form(body: bytes, content_type: str = "") -> dict[str, str]:
    """The fields of a URL-encoded form, of a repeated one the last. Raises `Unparseable` for more than 1,000."""
    try:
        return dict(parse_qsl(read_text(body, content_type), keep_blank_values=True, max_num_fields=1_000))
    except ValueError as error:
        raise Unparseable("The form has more than 1,000 fields") from error
