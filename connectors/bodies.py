"""Bodies as they come over the wire: JSON in all its framings, forms, multipart, text of any charset."""

import codecs
import contextlib
import json
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError

from connectors.base import BodyTooLarge, Unparseable

MOST_VALUES = 10_000
_MOST_FIELDS = 1_000
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_CHARSETS = ("ascii", "utf-8", "utf-16", "utf-32", "iso8859", "cp125", "koi8", "shift_jis", "euc", "gb", "big5")


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
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if values := _DECODER.decode_lines(body):
            _refuse_more(values, most)
            return values
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
        return dict(parse_qsl(read_text(body, content_type), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise Unparseable(f"The form has more than {_MOST_FIELDS} fields") from error


def read_payload(body: bytes, content_type: str, sender: str) -> dict[str, Any]:
    """A JSON object that is the body, or stands in the `payload` of a form. Raises `Unparseable`, naming the sender."""
    if "x-www-form-urlencoded" in content_type:
        body = read_form(body).get("payload", "").encode("utf-8", "replace")
    value = read_json(body)
    if not isinstance(value, dict):
        raise Unparseable(f"A message of {sender} is a JSON object, and this is not one")
    return value


def read_multipart(body: bytes, content_type: str) -> dict[str, str]:
    """The text fields of a `multipart/form-data` body, of a repeated one the last; files are left out.

    Raises `Unparseable` where the framing is broken or has more than 1,000 parts.
    """
    fields: dict[str, str] = {}

    def keep(field: Any) -> None:
        if len(fields) == _MOST_FIELDS:
            raise Unparseable(f"The form has more than {_MOST_FIELDS} fields")
        fields[read_text(field.field_name or b"")] = read_text(field.value or b"")

    try:
        parser = create_form_parser({"Content-Type": content_type.encode("latin-1")}, keep, lambda _file: None)
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise Unparseable(f"The multipart body is broken: {error}") from error
    if not fields:
        raise Unparseable("The multipart body holds no text field, or its boundary is not the declared one")
    return fields
