"""Content codings, undone under a cap: gzip, deflate, zstd, br and snappy.

Everything here is bounded: a decoder stops as soon as its output passes the limit, so that a small hostile body cannot
become a large one in memory.
"""

import zlib
from collections.abc import Callable

import brotli
import zstandard

from connectors.base import BodyTooLarge, Unparseable

DECODED_LIMIT = 20 * 1024 * 1024
_MOST_CODINGS = 3
_MOST_MEMBERS = 1_000
_CHUNK = 64 * 1024
_ZSTD_CHUNK = 256  # zstandard cannot cap one step's output; four bytes of input make 128 KiB at most
_ZSTD_WINDOW = 8 * 1024 * 1024  # what RFC 9659 lets a sender use; more would let a frame header claim gigabytes


def decode(raw: bytes, content_encoding: str = "", limit: int = DECODED_LIMIT) -> bytes:
    """Undo the `Content-Encoding` of a body: gzip, deflate (zlib or raw), zstd, br, snappy, or several in a row.

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
        raise Unparseable(f"Content-Encoding {name[:40]!r} is not known; send gzip, deflate, zstd, br, snappy or none")
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


def unsnappy(data: bytes, limit: int = DECODED_LIMIT) -> bytes:
    """Undo a snappy block, as Prometheus, Loki, Vector and Fluent Bit send it.

    https://github.com/google/snappy/blob/main/format_description.txt
    Raises `BodyTooLarge` past `limit` bytes, `Unparseable` for damaged data.
    """
    import cramjam  # noqa: PLC0415 - few senders use it

    try:
        _refuse_over(cramjam.snappy.decompress_raw_len(data), limit)
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise Unparseable("The snappy body is damaged") from error


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "zstd": _unzstd,
    "br": _unbrotli,
    "snappy": unsnappy,
}
