"""Bodies that strangers send: broken pictures, JSON and forms, and bombs. The same for a seed."""

from __future__ import annotations

import base64
import functools
import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

from benchmarks.serving.mixed import BOUNDARY, NAME, form
from tellapart.demo.drawing import WORDS, draw


@dataclass(frozen=True)
class Mutant:
    """One request of the fuzzing."""

    what: str
    path: str
    kind: str
    body: bytes
    headers: str = ""


#: What a picture's file may be sent as, whatever it is.
KINDS = ("image/jpeg", "image/png", "application/octet-stream", "", "text/plain", "image/avif")
PROTOCOL = f"/v2/models/{NAME}/infer"
PATHS = (
    "/predict",
    "/predict?why=1",
    f"/v1/models/{NAME}/predict",
    f"/v1/models/{NAME}/versions/1/predict",
)


def mutants(count: int, seed: int = 11) -> Iterator[Mutant]:
    """`count` of them, every kind in turn."""
    dice = random.Random(seed)
    files = _files()
    makers: tuple[Callable[[random.Random, dict[str, bytes]], Mutant], ...] = (
        _picture,
        _picture,
        _picture,
        _json,
        _json,
        _multipart,
        _protocol,
        _bomb,
    )
    for number in range(count):
        yield makers[number % len(makers)](dice, files)


def _files() -> dict[str, bytes]:
    """One small picture in every format."""
    picture = draw(WORDS[0], 3, (96, 72))
    frames = [draw(WORDS[1], seed, (48, 36)) for seed in range(4)]
    ways: dict[str, tuple[Image.Image, dict[str, object]]] = {
        "jpeg": (picture, {"format": "JPEG", "quality": 85}),
        "progressive": (picture, {"format": "JPEG", "progressive": True}),
        "cmyk": (picture.convert("CMYK"), {"format": "JPEG"}),
        "png": (picture, {"format": "PNG"}),
        "palette": (picture.quantize(32), {"format": "PNG"}),
        "alpha": (picture.convert("RGBA"), {"format": "PNG"}),
        "sixteen": (picture.convert("I;16"), {"format": "PNG"}),
        "gif": (frames[0], {"format": "GIF", "save_all": True, "append_images": frames[1:]}),
        "webp": (picture, {"format": "WEBP", "quality": 80}),
        "lossless": (picture, {"format": "WEBP", "lossless": True}),
        "bmp": (picture, {"format": "BMP"}),
        "tiff": (picture, {"format": "TIFF", "compression": "tiff_lzw"}),
    }
    found = {}
    for name, (image, options) in ways.items():
        out = io.BytesIO()
        image.save(out, **options)  # type: ignore[arg-type]
        found[name] = out.getvalue()
    return found


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A few random changes; headers are hit more often than their share."""
    body = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        if not body:
            break
        near = min(len(body), 64 if dice.random() < 0.5 else len(body))
        at, much = dice.randrange(near), dice.randint(1, 24)
        match dice.randrange(7):
            case 0:
                body[at] ^= 1 << dice.randrange(8)
            case 1:
                body[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del body[at : at + much]
            case 3:
                body[at:at] = dice.randbytes(much)
            case 4:
                body[at:at] = body[at : at + much]
            case 5:
                del body[dice.randrange(len(body)) :]
            case _:
                body[at : at + 4] = struct.pack(">I", dice.choice((0, 1, 2**16, 2**31, 2**32 - 1)))
    return bytes(body)


def _picture(dice: random.Random, files: dict[str, bytes]) -> Mutant:
    name = dice.choice(list(files))
    body = mutated(files[name], dice)
    if dice.random() < 0.1:  # two files in one
        body += files[dice.choice(list(files))]
    return Mutant(name, dice.choice(PATHS), dice.choice(KINDS), body)


def _json(dice: random.Random, files: dict[str, bytes]) -> Mutant:
    text = base64.b64encode(mutated(files[dice.choice(list(files))], dice)).decode()
    whole = base64.b64encode(files["jpeg"]).decode()
    strange = ("", None, 0, -1, 1e308, True, [], {}, "\ud800", "a" * 5000, [[]], {"b64": whole})
    asked: tuple[object, ...] = (
        {"image": text},
        {"image": dice.choice(strange)},
        {"images": [text, whole, dice.choice(strange)]},
        {"images": dice.choice(strange)},
        {"images": ["AAAA"] * dice.choice((0, 65, 5000))},
        {"instances": [{"image": whole}, {"image": text}, dice.choice(strange)]},
        {"url": dice.choice(URLS)},
        {"url": "data:image/jpeg;base64," + text},
        {"url": dice.choice(strange)},
        {"path": dice.choice(("/etc/passwd", "../../etc/shadow", "/dev/zero", "/proc/self/mem"))},
        {"row": {"a": dice.choice(strange)}},
        {"rows": [dice.choice(strange)]},
        {"tasks": [{"id": dice.choice(strange), "data": {"image": dice.choice(URLS)}}]},
        {"tasks": dice.choice(strange), "label_config": "<View>" * dice.choice((1, 3000))},
        {"image": whole, "url": "x", "path": "/etc/passwd"},
        dice.choice(strange),
    )
    body = json.dumps(dice.choice(asked)).encode()
    match dice.randrange(6):
        case 0:
            body = mutated(body, dice)
        case 1:
            body = dice.choice(
                (
                    b"[" * 100_000,
                    b'{"a":' * 50_000,
                    b"1" * 100_000,
                    b"NaN",
                    b'{"image":NaN}',
                    b"\xff",
                )
            )
    kind = dice.choice(("application/json", "application/json; charset=utf-16", "text/json", ""))
    return Mutant("json", dice.choice((*PATHS, "/setup", "/webhook")), kind, body)


STRANGE = (
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 100_000,
    b'{"image":NaN}',
    b"NaN",
    b"\xff",
)
URLS = (
    "file:///etc/passwd",
    "http://127.0.0.1:22/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]:8080/health",
    "gopher://localhost/",
    "data:text/html,hello",
    "data:;base64,%%%",
    "http://",
    "//etc",
)


def _multipart(dice: random.Random, files: dict[str, bytes]) -> Mutant:
    body = form(files[dice.choice(list(files))], dice.choice(("file", "image", "", "x" * 3000)))
    mark = BOUNDARY
    match dice.randrange(8):
        case 0:
            body = mutated(body, dice)
        case 1:
            body = body[: dice.randrange(len(body))]
        case 2:
            body = body.replace(b"\r\n", b"\n")
        case 3:
            mark = dice.choice(("", "other", "\x7f", "b" * 300))
        case 4:
            body = b"".join(form(b"x") for _ in range(500))
        case 5:
            body = b"X-Long: " + b"y" * 100_000 + body
        case 6:
            body = body.replace(b"Content-Type", b"Content-Transfer-Encoding: base64\r\nX")
        case _:
            body = form(mutated(files["jpeg"], dice))
    return Mutant("multipart", "/predict", f"multipart/form-data; boundary={mark}", body)


#: What may stand where something else is expected.
_BROKEN: dict[str, tuple[object, ...]] = {
    "name": ("pixels", "", 7, None),
    "datatype": ("UINT8", "FP32", "BOOL", "INT64", "", None),
    "shape": ([1, 1], [], [-1], [2**40], [0], "1", [1.5], [[1]], None, [1, 224, 224, 3]),
    "data": ([], [[]], "AAAA", [1, 2], [None], [{"b64": "%"}], {}, [[[1]]]),
    "size": (0, -1, 10**12, "x", None, 1.5),
    "inputs": ([], {}, None, [7], "x"),
    "outputs": ([{"name": "no"}], [7], "x", [], [{"name": 5, "parameters": "x"}], {}),
    "length": (0, -1, 10**9, "x", ""),
    "count": (0, 2**31, 2**32 - 1),
}


def _protocol(dice: random.Random, files: dict[str, bytes]) -> Mutant:
    """A good request of the Open Inference Protocol with up to two things broken in it."""
    broken = {
        name: dice.choice(_BROKEN[name])
        for name in dice.sample(list(_BROKEN), 2)[: dice.randrange(3)]
    }
    file = mutated(files["jpeg"], dice) if dice.random() < 0.3 else files["jpeg"]
    raw = struct.pack("<I", broken.get("count", len(file))) + file
    tensor: dict[str, object] = {
        "name": broken.get("name", "image"),
        "datatype": broken.get("datatype", "BYTES"),
        "shape": broken.get("shape", [1]),
    }
    binary = dice.random() < 0.6
    if binary:
        tensor["parameters"] = {"binary_data_size": broken.get("size", len(raw))}
    else:
        tensor["data"] = broken.get("data", [base64.b64encode(file).decode()])
    inputs = broken.get("inputs", [tensor] * dice.choice((1, 1, 1, 3)))
    asked: dict[str, object] = {"inputs": inputs}
    if "outputs" in broken or dice.random() < 0.5:
        parameters = {"binary_data": dice.choice((True, False, 1, "x"))}
        asked["outputs"] = broken.get("outputs", [{"name": "map", "parameters": parameters}])
    head = json.dumps(asked).encode()
    if not binary:
        return Mutant("protocol", PROTOCOL, "application/json", head)
    if dice.random() < 0.2:
        raw = mutated(raw, dice)
    told = f"Inference-Header-Content-Length: {broken.get('length', len(head))}\r\n"
    return Mutant("protocol", PROTOCOL, "application/octet-stream", head + raw, told)


def _bomb(dice: random.Random, files: dict[str, bytes]) -> Mutant:
    """Small files that say that they are large, or become it."""
    path = dice.choice(PATHS)
    return Mutant("bomb", path, "application/octet-stream", dice.choice(_bombs()))


@functools.cache
def _bombs() -> tuple[bytes, ...]:
    files = _files()
    small, large = zlib.compress(bytes(1 << 20), 9), zlib.compress(bytes(50_000_000), 9)
    text = b"zTXtx\0\0" + zlib.compress(bytes(60_000_000), 9)
    at = files["jpeg"].find(b"\xff\xc0") + 5
    frames = files["gif"][13 + 3 * 256 : -1]
    return (
        *(png(side, side, small) for side in (12_000, 30_000, 65_000, 2**31 - 1)),
        png(20_000, 20_000, large),
        png(16, 16, zlib.compress(bytes(16 * 4)), [text]),
        files["jpeg"][:at] + b"\xff\xf0\xff\xf0" + files["jpeg"][at + 4 :],
        files["gif"][:6] + b"\xff\xff\xff\xff" + files["gif"][10:],
        files["gif"][:-1] + frames * 200 + b";",
    )


def png(width: int, height: int, pixels: bytes, extra: list[bytes] | None = None) -> bytes:
    """A PNG of one bit a pixel that says that it is of that size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [header, *(extra or []), b"IDAT" + pixels, b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks
    )
