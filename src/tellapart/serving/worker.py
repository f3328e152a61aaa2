"""The processes that answer: one loads the bundles and forks, the forked ones answer jobs.

    python -m tellapart.serving.worker FD

Loading takes half a second, a fork some milliseconds: a worker that died is replaced before its
clients notice, and the weights lie in memory once, however many workers share them. That holds
for sessions without threads of their own (ONNX Runtime with one); any other is opened in the
worker itself, after the fork.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tellapart.errors import TellapartError
from tellapart.serving import wire
from tellapart.serving.hosted import Hosted
from tellapart.serving.hosting import Host, load
from tellapart.serving.jobs import Answer
from tellapart.serving.wire import Reader, Task

_CHUNK = 1 << 20
#: Seconds between signs of life.
_BEAT = 1.0
#: How much of the last answer goes into the mean of what one takes.
_NEWS = 0.1
#: Seconds that workers get to end by themselves when the front is gone.
_GRACE = 2.0


def main() -> None:
    """Load what the front asks for, then fork a worker for every socket it sends."""
    control = socket.socket(fileno=int(sys.argv[1]))
    os.dup2(2, 1)  # what a library prints is no part of the server's output
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the front drains, and then our sockets end
    reader = Reader()
    wanted = _receive(control, reader)
    try:
        host = load(wanted)
    except TellapartError as error:
        _send(control, {"failed": wire.error_facts(error)})
        return
    _send(control, {"loaded": {"workers": host.workers, "batches": host.batches}})
    gc.collect()
    gc.freeze()  # the collector would write into every page that the forks share
    _trim()
    worker = ForkServer(control, reader).run()
    if worker is not None:
        serve(worker, host)
    os._exit(0)  # nothing is left to put away, and engines take their time for it


class ForkServer:
    """Forks a worker for each socket that comes over `control`, and tells of each that ended."""

    def __init__(self, control: socket.socket, reader: Reader) -> None:
        self._control = control
        self._reader = reader
        self._pids: set[int] = set()

    def run(self) -> socket.socket | None:
        """Returns the worker's socket in each forked worker, and None when the front is gone."""
        waker, woken = socket.socketpair()
        for end in (waker, woken):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, _nothing)  # a handler is needed for the descriptor to wake
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._control, waker], [], [])
            if waker in ready:
                with contextlib.suppress(BlockingIOError):
                    waker.recv(4096)
                self._reap()
            if self._control not in ready:
                continue
            data, descriptors, _, _ = socket.recv_fds(self._control, _CHUNK, 16)
            if not data:
                self._end()
                return None
            for message in self._reader.feed(data):
                note = wire.read_note(message)
                if "kill" in note:
                    self._kill(note["kill"])
            for descriptor in descriptors:
                if self._fork() == 0:
                    for end in (waker, woken, self._control):
                        end.close()
                    return socket.socket(fileno=descriptor)
                os.close(descriptor)

    def _fork(self) -> int:
        pid = os.fork()
        if pid:
            self._pids.add(pid)
            _send(self._control, {"forked": pid})
        else:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return pid

    def _kill(self, pid: int) -> None:
        if pid in self._pids:
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid in sorted(self._pids):
            with contextlib.suppress(ChildProcessError):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    self._pids.discard(pid)
                    _send(self._control, {"ended": [pid, os.waitstatus_to_exitcode(status)]})

    def _end(self) -> None:
        """The front is gone: its workers end by themselves, or else are ended."""
        until = time.monotonic() + _GRACE
        while self._pids and time.monotonic() < until:
            self._reap()
            time.sleep(0.02)
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)


def serve(connection: socket.socket, host: Host) -> None:
    """Answer what comes over `connection` until its other end is closed."""
    host.open()
    _trim()
    seconds = [model.seconds for model in host.models]
    facts = {"pid": os.getpid(), "models": host.facts(), "seconds": seconds}
    _write(connection, wire.pack_note({"ready": facts}))
    pulse = _Pulse(connection)
    for model in host.models:
        model.alive = pulse
    inbox = _Inbox(connection)
    while tasks := inbox.next(lambda place: host.batches[place].size(seconds[place])):
        place = tasks[0].model
        pulse.last = time.monotonic()
        messages, spent = _answers(host.models[place], tasks)
        for each in spent:
            seconds[place] += _NEWS * (each - seconds[place])
        if not _write(connection, b"".join(messages)):
            return


def _answers(model: Hosted, tasks: Sequence[Task]) -> tuple[list[bytes], list[float]]:
    """Messages for the front, and the seconds that each item took."""
    now = time.monotonic()
    # The front has given up on those that are late: they need no work, only a word.
    timely = [task for task in tasks if task.job.deadline > now]
    found = model.answer([task.job for task in timely]) if timely else []
    messages, spent = [], []
    for task, answer in zip(timely, found, strict=True):
        # Of what could not be read nothing is learned: it takes next to no time.
        if answer.probabilities:
            spent.append(answer.seconds.decode + answer.seconds.infer / answer.batch)
        if task.job.told:
            messages.append(wire.pack_told(task.number, model.teller.told(answer)))
        else:
            messages.append(wire.pack_answer(task.number, answer))
    if len(timely) < len(tasks):
        late = [task for task in tasks if task.job.deadline <= now]
        messages += [wire.pack_answer(task.number, Answer("", 0)) for task in late]
    return messages, spent


class _Pulse:
    """Tells the front, once a second, that work which takes long still goes on."""

    def __init__(
        self, connection: socket.socket, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._clock = clock
        self.last = 0.0

    def __call__(self) -> None:
        now = self._clock()
        if now - self.last > _BEAT:
            self.last = now
            _write(self._connection, wire.pack_note({"alive": 1}))


class _Inbox:
    """Reads tasks as they come, and gives as many as make a batch of one model."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = Reader()
        self._tasks: deque[Task] = deque()

    def next(self, size: Callable[[int], int]) -> list[Task]:
        """The next batch, at most `size(model)` long; waits for one. Empty: the front is gone."""
        while not self._tasks:
            if not self._read(0):
                return []
        first = self._tasks[0]
        most = 1 if first.job.why else size(first.model)
        while len(self._tasks) < most and self._read(socket.MSG_DONTWAIT):
            pass
        batch = [self._tasks.popleft()]
        while len(batch) < most and self._tasks:
            task = self._tasks[0]
            if task.model != first.model or task.job.why:
                break
            batch.append(self._tasks.popleft())
        return batch

    def _read(self, flags: int) -> bool:
        try:
            data = self._connection.recv(_CHUNK, flags)
        except BlockingIOError:
            return False
        except ConnectionError:
            return False
        for message in self._reader.feed(data):
            self._tasks.append(wire.read_task(message))
        return bool(data)


def _receive(control: socket.socket, reader: Reader) -> dict[str, Any]:
    while data := control.recv(_CHUNK):
        for message in reader.feed(data):
            return wire.read_note(message)
    sys.exit(0)  # the front is gone already


def _send(connection: socket.socket, note: dict[str, Any]) -> None:
    _write(connection, wire.pack_note(note))


def _write(connection: socket.socket, data: bytes) -> bool:
    """False where nobody reads any more."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _nothing(*_: object) -> None:
    pass


def _trim() -> None:
    """Give back what loading left over; glibc alone knows how, and alone keeps so much."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
