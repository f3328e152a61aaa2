"""A picture server in a process of its own: raw asyncio, so that it is never the slow side."""

from __future__ import annotations

import asyncio
import io
import random

from PIL import Image, ImageFilter

ROBOTS = b"User-agent: *\nDisallow: /private\nDisallow: /*.php$\n"


def pictures(count: int = 50) -> list[bytes]:
    """JPEGs of 224 × 224 pixels, 14 KB each on average: smooth noise, drawn from a seed."""
    generator = random.Random(0)
    drawn = []
    for _ in range(count):
        noise = Image.frombytes("RGB", (28, 28), generator.randbytes(28 * 28 * 3))
        buffer = io.BytesIO()
        large = noise.resize((224, 224), Image.Resampling.BICUBIC)
        large.filter(ImageFilter.SHARPEN).save(buffer, "JPEG", quality=82)
        drawn.append(buffer.getvalue())
    return drawn


class Answers(asyncio.Protocol):
    drawn: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            path = head.split(b" ", 2)[1]
            body, kind = ROBOTS, b"text/plain"
            if path != b"/robots.txt":
                number = int(path.rsplit(b"/", 1)[1].split(b".")[0])
                body, kind = self.drawn[number % len(self.drawn)], b"image/jpeg"
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
                b"Cache-Control: max-age=100\r\n\r\n%b" % (kind, len(body), body)
            )


async def main() -> None:
    Answers.drawn = tuple(pictures())
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
    mean = sum(map(len, Answers.drawn)) // len(Answers.drawn)
    print(server.sockets[0].getsockname()[1], mean, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
