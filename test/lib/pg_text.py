"""Reads PostgreSQL's text output (ISO dates, UTC) into plain values, by the rules of its manual."""

import datetime
import re


def array(text: str, delimiter: str, convert) -> list:
    """A (nested) list from an array literal; explicit bounds are ignored."""
    if text.startswith("["):
        text = text[text.index("=") + 1:]
    value, end = _array(text, 0, delimiter, convert)
    assert end == len(text), text
    return value


def _array(text, at, delimiter, convert):
    assert text[at] == "{", text
    items, at = [], at + 1
    while text[at] != "}":
        if text[at] == "{":
            item, at = _array(text, at, delimiter, convert)
        elif text[at] == '"':
            item, at = _quoted(text, at)
            item = convert(item)
        else:
            end = at
            while text[end] not in delimiter + "}":
                end += 2 if text[end] == "\\" else 1
            word = text[at:end]
            item, at = None if word.upper() == "NULL" else convert(_unescape(word)), end
        items.append(item)
        if text[at] == delimiter:
            at += 1
    return items, at + 1


def _quoted(text, at):
    """A double-quoted item: \\x and "" stand for the character itself."""
    result, at = [], at + 1
    while True:
        if text[at] == "\\":
            result.append(text[at + 1])
            at += 2
        elif text[at] == '"' and text[at + 1:at + 2] == '"':
            result.append('"')
            at += 2
        elif text[at] == '"':
            return "".join(result), at + 1
        else:
            result.append(text[at])
            at += 1


def _unescape(word):
    return re.sub(r"\\(.)", r"\1", word)


def composite(text: str) -> list:
    """The fields of a row literal as texts; None for NULL."""
    assert text[0] == "(" and text[-1] == ")", text
    values, at = [], 1
    while True:
        parts, is_null = [], True
        while text[at] not in ",)":
            is_null = False
            if text[at] == '"':
                part, at = _quoted(text, at)
                parts.append(part)
            else:
                part = text[at + 1] if text[at] == "\\" else text[at]
                at += 2 if text[at] == "\\" else 1
                parts.append(part)
        values.append(None if is_null else "".join(parts))
        if text[at] == ")":
            return values
        at += 1


def range_bounds(text: str):
    """{'gte': …, 'lt': …} as texts; open ends left out; None when empty."""
    if text == "empty":
        return None
    values = composite("(" + text[1:-1] + ")")
    bounds = {}
    if values[0] is not None:
        bounds["gte" if text[0] == "[" else "gt"] = values[0]
    if values[1] is not None:
        bounds["lte" if text[-1] == "]" else "lt"] = values[1]
    return bounds


def multirange(text: str) -> list:
    ranges, at = [], 1
    while text[at] != "}":
        start, quoted = at, False
        while quoted or text[at] not in ")]":
            if text[at] == '"':
                quoted = not quoted
            at += 2 if text[at] == "\\" else 1
        ranges.append(text[start:at + 1])
        at += 1
        if text[at] == ",":
            at += 1
    return ranges


def iso_date(text: str):
    return _moment(text, "")


def iso_timestamp(text: str):
    return _moment(text, "")


def iso_timestamptz(text: str):
    assert text in ("infinity", "-infinity") or re.search(r"\+00( BC)?$", text), text
    return _moment(re.sub(r"\+00( BC)?$", r"\1", text), "Z")


def _moment(text, zone):
    """ISO 8601, or epoch milliseconds outside the years 0001–9999; infinities are null."""
    if text in ("infinity", "-infinity"):
        return None
    before_christ = text.endswith(" BC")
    day, _, clock = text.removesuffix(" BC").partition(" ")
    year, month, number = (int(part) for part in day.split("-"))
    if not before_christ and year <= 9999:
        return day + (f"T{clock}{zone}" if clock else "")
    return _epoch_milliseconds(1 - year if before_christ else year, month, number, clock)


def _epoch_milliseconds(year, month, day, clock):
    """Proleptic Gregorian calendar: 400 years are 146,097 days."""
    cycles, rest = divmod(year - 2000, 400)
    days = (datetime.date(2000 + rest, month, day) - datetime.date(1970, 1, 1)).days
    milliseconds = (days + cycles * 146097) * 86400000
    if clock:
        hours, minutes, seconds = clock.split(":")
        whole, _, fraction = seconds.partition(".")
        milliseconds += (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 1000
        milliseconds += int(fraction.ljust(6, "0")[:3] or 0) if fraction else 0
    return milliseconds
