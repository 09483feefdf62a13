"""PNG files without Pillow, which the SDK's environment has not."""

import struct
import zlib


def png(pixels: bytes, width: int, height: int) -> bytes:
    """A PNG of 8 bits a number: grey or red, green and blue, as many numbers as there are for each pixel."""
    numbers = len(pixels) // (width * height)
    row = width * numbers
    rows = b"".join(b"\0" + pixels[start : start + row] for start in range(0, len(pixels), row))
    kind = {1: 0, 3: 2}[numbers]
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in (*parts, (b"IEND", b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and the pixels of a grey PNG of 8 bits."""
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    assert (bits, kind) == (8, 0), (bits, kind)
    compressed, place = b"", 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        if data[place + 4 : place + 8] == b"IDAT":
            compressed += data[place + 8 : place + 8 + length]
        place += 12 + length
    return width, height, _unfiltered(zlib.decompress(compressed), width)


def _unfiltered(rows: bytes, width: int) -> bytes:
    """Of https://www.w3.org/TR/png-3/#9Filter-types."""
    found, above = bytearray(), bytes(width)
    for start in range(0, len(rows), width + 1):
        kind, row = rows[start], bytearray(rows[start + 1 : start + 1 + width])
        for place in range(width):
            left, up, corner = (row[place - 1] if place else 0), above[place], (above[place - 1] if place else 0)
            nearest = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
            row[place] = (row[place] + (0, left, up, (left + up) // 2, nearest)[kind]) % 256
        found, above = found + row, bytes(row)
    return bytes(found)
