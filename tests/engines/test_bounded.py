"""The bounded engine: the same answers from a child, and a file that is too much kills only it."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import io
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from PIL import Image

from images_app.engines import children, worker
from images_app.engines.base import Camera, Header, Inspection
from images_app.engines.bounded import BoundedEngine
from images_app.engines.messages import TAKEN, receive_exactly, receive_message, send_message
from images_app.engines.pillow import PillowEngine
from images_app.exceptions import EngineUnavailable, RenderFailed, UploadRefused
from images_app.specs import Fit, RenditionSpec
from tests.pictures import noise, opened, picture

ALL = ("jpeg", "png", "gif", "webp", "avif")
MANY = 50_000_000
SPEC = RenditionSpec(
    width=32, height=None, fit=Fit.WIDTH, format="jpeg", quality=80, background="#ffffff"
)


class StrangeEngine(PillowEngine):
    """Does what the file says, as a decoder with a hole would."""

    def read_header(self, file, formats, *, max_pixels):
        """Obey."""
        order = file.read().decode()
        if order == "who":
            raise UploadRefused("too_many_frames", limit=os.getpid())
        if order == "spin":
            while True:
                pass
        if order == "eat":
            return [bytes(2**20) for _ in range(10**6)] and None
        if order == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if order == "hang":
            time.sleep(60)
        if order == "write":
            Path(tempfile.mkstemp()[1]).write_bytes(b"x" * 100)
        if order == "bug":
            raise ZeroDivisionError
        if order == "look":
            known = {*children._INHERITED, *children._OWN, "LC_CTYPE"}
            raise UploadRefused("too_many_frames", limit=len(set(os.environ) - known))
        return Header(format="png", width=1, height=1, frames=1)


def strange(**options):
    return BoundedEngine(backend=f"{__name__}.StrangeEngine", **options)


def say(engine, order):
    return engine.read_header(io.BytesIO(order.encode()), ALL, max_pixels=1)


def pid_of(engine):
    with pytest.raises(UploadRefused) as caught:
        say(engine, "who")
    return caught.value.params["limit"]


@pytest.fixture(scope="module")
def engine():
    return BoundedEngine()


def exif_picture():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Canon"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    return picture(exif=exif)


def test_answers__are_those_of_the_engine_itself(engine):
    plain = PillowEngine()
    for content in (exif_picture(), picture("PNG"), picture("GIF")):
        file = io.BytesIO(content)
        assert engine.read_header(file, ALL, max_pixels=MANY) == plain.read_header(
            file, ALL, max_pixels=MANY
        )
        assert engine.inspect(file, ALL) == plain.inspect(file, ALL)
    assert engine.output_version == plain.output_version
    assert engine.input_formats == plain.input_formats


def test_answers__have_their_types(engine):
    inspection = engine.inspect(io.BytesIO(exif_picture()), ALL)
    assert inspection == Inspection(
        orientation=6,
        frames=1,
        dominant_color=inspection.dominant_color,
        camera=Camera(make="Canon"),
        taken_at=dt.datetime(2020, 1, 2, 3, 4, 5),  # noqa: DTZ001
    )


def test_render__brings_every_output_back(engine):
    targets = [io.BytesIO(), tempfile.SpooledTemporaryFile()]  # noqa: SIM115
    wide = RenditionSpec(**{**vars(SPEC), "width": 1500, "format": "png"})
    sizes = engine.render(
        io.BytesIO(noise((2000, 1500))),
        list(zip((SPEC, wide), targets, strict=True)),
        source_format="jpeg",
        full_size=(2000, 1500),
        focal_point=(0.5, 0.5),
    )
    assert sizes == [(32, 24), (1500, 1125)]
    for target, size in zip(targets, sizes, strict=True):
        target.seek(0)
        assert opened(target.read()).size == size
        target.close()


def test_refusals__keep_code_and_parameters(engine):
    with pytest.raises(UploadRefused) as caught:
        engine.read_header(io.BytesIO(b"nothing"), ALL, max_pixels=MANY)
    assert caught.value.code == "damaged"
    with pytest.raises(RenderFailed):
        engine.render(
            io.BytesIO(b"nothing"),
            [(SPEC, io.BytesIO())],
            source_format="jpeg",
            full_size=(5, 5),
            focal_point=(0.5, 0.5),
        )


def test_empty_file__is_a_refusal(engine):
    with pytest.raises(UploadRefused, match="too_complex"):
        engine.read_header(io.BytesIO(b""), ALL, max_pixels=MANY)


# --- files ------------------------------------------------------------------------------------


def as_path(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    return (tmp_path / "x").open("rb")


def as_gzip(content, tmp_path):
    """Has a ``fileno()``, whose bytes are not those that it reads."""
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    return gzip.open(tmp_path / "x.gz")


def as_temporary_upload(content, tmp_path):
    upload = TemporaryUploadedFile("x.png", "image/png", len(content), None)
    upload.write(content)
    return upload


def as_spooled(content, tmp_path):
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    file.write(content)
    return file


@pytest.mark.parametrize(
    "make",
    [
        lambda content, tmp_path: io.BytesIO(content),
        as_path,
        lambda content, tmp_path: File(as_path(content, tmp_path)),
        lambda content, tmp_path: SimpleUploadedFile("x.png", content),
        as_temporary_upload,
        as_spooled,
        as_gzip,
    ],
)
def test_file__of_every_kind_is_read_from_its_start_and_left_open(engine, make, tmp_path):
    content = noise((300, 200), "PNG")
    with make(content, tmp_path) as file:
        file.seek(7)
        assert engine.read_header(file, ALL, max_pixels=MANY).width == 300
        engine.inspect(file, ALL)
        file.seek(0)
        assert file.read() == content  # whatever the child did with it


# --- bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["spin", "eat", "crash", "hang", "write"])
def test_bound__what_is_too_much_ends_the_child_alone(order, monkeypatch):
    monkeypatch.setattr(children, "_PATIENCE", 3)
    children.pool_of.cache_clear()
    engine = strange(memory_bytes=200 * 2**20, cpu_seconds=1)
    before = pid_of(engine)
    started = time.monotonic()
    with pytest.raises(UploadRefused, match="too_complex"):
        say(engine, order)
    assert time.monotonic() - started < 10
    if order in {"spin", "crash", "hang"}:
        assert not Path(f"/proc/{before}").exists()
    assert say(engine, "anything").format == "png"


def test_bound__the_time_counts_anew_for_each_call():
    engine = strange(cpu_seconds=1)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        say(engine, "anything")
    assert pid_of(engine)


def test_child__a_bug_of_the_engine_is_a_failure_and_survived():
    engine = strange()
    before = pid_of(engine)
    with pytest.raises(UploadRefused, match="too_complex") as caught:
        say(engine, "bug")
    assert "ZeroDivisionError" in str(caught.value.__cause__)
    assert pid_of(engine) == before


def test_child__knows_nothing_worth_stealing(monkeypatch):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "sesame")
    children.pool_of.cache_clear()
    with pytest.raises(UploadRefused) as caught:
        say(strange(), "look")
    assert caught.value.params == {"limit": 0}


def test_child__is_kept_for_the_next_call():
    engine = strange()
    assert pid_of(engine) == pid_of(engine) == pid_of(strange())


def test_child__that_was_killed_while_idle_is_replaced():
    engine = strange()
    before = pid_of(engine)
    os.kill(before, signal.SIGKILL)
    assert pid_of(engine) != before


def test_children__as_many_as_calls_at_once():
    engine, pids = strange(), set()
    barrier = threading.Barrier(3)

    def ask():
        barrier.wait()
        for _ in range(20):
            pids.add(pid_of(engine))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(pids) <= 3


def test_child__ends_with_its_parent():
    code = (
        "import io; from tests.engines.test_bounded import *; e = strange();"
        "print(pid_of(e), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    child = Path(f"/proc/{int(ran.stdout)}")
    for _ in range(50):
        if not child.exists():
            return
        time.sleep(0.1)
    pytest.fail("still there")


def test_child__of_another_process_is_left_alone():
    engine = strange()
    before = pid_of(engine)
    reader, writer = os.pipe()
    if os.fork() == 0:  # a web server's worker, say
        os.write(writer, str(pid_of(engine)).encode())
        os._exit(0)
    os.wait()
    assert int(os.read(reader, 20)) != before
    assert pid_of(engine) == before


@pytest.mark.parametrize("order", ["true", "gone"])
def test_child__that_cannot_start_is_told(order, tmp_path, caplog):
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    engine = BoundedEngine(python=str(python))
    python.unlink()
    if order == "true":
        python.symlink_to("/bin/true")
    with pytest.raises(EngineUnavailable):
        engine.read_header(io.BytesIO(b"x"), ALL, max_pixels=1)
    assert "engine_unavailable" in caplog.text


def test_child__that_ended_is_in_the_log(caplog):
    with pytest.raises(UploadRefused):
        say(strange(cpu_seconds=1), "crash")
    assert "code=child_ended call=read_header status=-11" in caplog.text
    assert "cpu_seconds:1" in caplog.text


@contextlib.contextmanager
def hostile(act):
    """A child whose side is ``act(socket, the call's token)``, once it has been called."""
    ours, theirs = socket.socketpair()
    child = object.__new__(children._Child)
    child.connection = ours

    def answer():
        with contextlib.suppress(EOFError, OSError):
            message, files = receive_message(theirs)
            for file in files:
                os.close(file)
            act(theirs, pickle.loads(message)[0])

    thread = threading.Thread(target=answer)
    thread.start()
    with tempfile.TemporaryFile() as file:
        yield lambda *, seconds=5: child.call(("x", {}, []), file, [], time.monotonic() + seconds)
    ours.close()
    theirs.close()
    thread.join()


def saying(answer):
    """Take the call, and answer with JSON in which TOKEN stands for the call's own."""

    def act(connection, token):
        connection.sendall(TAKEN)
        send_message(connection, answer.replace("TOKEN", token).encode())

    return act


def refusal(params):
    return f'{{"call": "TOKEN", "refused": "too_many_frames", "params": {params}}}'


RESULT = '{"call": "TOKEN", "result": 7, "lengths": []}'


def test_answer__of_a_child_is_taken_with_its_token():
    with hostile(saying(RESULT)) as call:
        assert call() == 7
    with hostile(saying(refusal('{"limit": 9}'))) as call:
        with pytest.raises(UploadRefused) as caught:
            call()
        assert caught.value.params == {"limit": 9}


@pytest.mark.parametrize(
    "answer",
    [
        "not json",
        "[]",
        "{}",
        '"TOKEN"',
        "[" * 100_000,
        '{"result": 7, "lengths": []}',
        '{"call": 1, "result": 7, "lengths": []}',
        '{"call": "TOKEN", "result": 7}',
        '{"call": "TOKEN", "result": NaN, "lengths": []}',
        '{"call": "TOKEN", "result": 7, "lengths": [1]}',
        *(
            refusal(f'{{"limit": {limit}}}')
            for limit in (
                *("Infinity", "-Infinity", "NaN", "1e999", "1.5", "-1", "true", "null", '"9"'),
                *("9" * 20, "9" * 5000, "[]", "{}"),
            )
        ),
        *(refusal(params) for params in ("[]", "null", "7", '"x"')),
        '{"call": "TOKEN", "refused": "too_many_frames"}',
        '{"call": "TOKEN", "refused": ["too_many_frames"], "params": {}}',
    ],
    ids=lambda answer: answer[:70],
)
def test_answer__nonsense_ends_the_child(answer):
    with hostile(saying(answer)) as call, pytest.raises(children.ChildDiedError):
        call()


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ('"ZeroDivisionError"', "ZeroDivisionError"),
        ('"a\\nb"', ""),
        (f'"{"x" * 201}"', ""),
        ("7", ""),
    ],
)
def test_answer__failure_puts_no_lines_into_the_log(detail, told):
    answer = f'{{"call": "TOKEN", "failed": "x", "refused": "made up", "detail": {detail}}}'
    with hostile(saying(answer)) as call, pytest.raises(children.EngineFailedError) as caught:
        call()
    assert str(caught.value) == told


@pytest.mark.parametrize("behind", [b"x", TAKEN + b"\0\0\0\2{}"], ids=str)
def test_child__that_says_too_much_ends(behind):
    def all_at_once(connection, token):
        message = RESULT.replace("TOKEN", token).encode()
        connection.sendall(TAKEN + len(message).to_bytes(4, "big") + message + behind)

    with hostile(all_at_once) as call, pytest.raises(children.ChildDiedError):
        call()


def test_child__that_speaks_unasked_is_replaced():
    """What it said after its last answer is no answer to the next call."""
    ours, theirs = socket.socketpair()
    child = object.__new__(children._Child)
    child.connection = ours
    theirs.sendall(TAKEN)
    send_message(theirs, b'{"result": 7, "lengths": []}')
    with tempfile.TemporaryFile() as file, pytest.raises(children._ChildGoneError):
        child.call(("x", {}, []), file, [], time.monotonic() + 5)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):  # nor is it told what the call is
        theirs.recv(1)
    ours.close()
    theirs.close()


def trickling(connection, token):
    """Answer one byte at a time."""
    message = RESULT.replace("TOKEN", token).encode()
    for byte in TAKEN + len(message).to_bytes(4, "big") + message:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def silent(connection, token):
    connection.recv(1)


@pytest.mark.parametrize("act", [trickling, silent])
def test_deadline__is_one_for_the_whole_answer(act):
    started = time.monotonic()
    with hostile(act) as call:
        with pytest.raises(children.ChildDiedError):
            call(seconds=0.5)
        assert time.monotonic() - started < 2


def test_deadline__is_one_for_all_children_of_a_call(monkeypatch):
    pool = children.Pool(["true"], 1, "")
    given = []

    class Gone:
        def call(self, call, file, outputs, until):
            given.append(until)
            time.sleep(0.05)
            raise children._ChildGoneError

        def end(self):
            return 0

    pool._idle = [Gone(), Gone()]
    monkeypatch.setattr(children, "_Child", lambda command: Gone())
    with pytest.raises(EngineUnavailable):
        pool.call("x", io.BytesIO())
    assert len(given) == 3
    assert len(set(given)) == 1


GOOD = {
    "read_header": {
        "format": "png",
        "width": 1,
        "height": 1,
        "frames": 1,
        "scans": 1,
        "texts": 0,
    },
    "inspect": {
        "orientation": 1,
        "frames": 1,
        "dominant_color": "#123456",
        "camera": dict.fromkeys(("make", "model", "lens"), "")
        | dict.fromkeys(("exposure_time", "f_number", "iso", "focal_length")),
        "taken_at": None,
    },
}


@pytest.mark.parametrize(
    ("method", "change"),
    [
        *(("read_header", {"format": value}) for value in ("svg", "gif", None, "../x")),
        *(("read_header", {"width": value}) for value in (-1, 2**40, "1", 1.5, None, True)),
        ("read_header", {"texts": "many"}),
        *(("inspect", {"orientation": value}) for value in (0, 9, "6", 1.0, True)),
        *(("inspect", {"frames": value}) for value in (-1, None)),
        *(("inspect", {"dominant_color": value}) for value in ("red", '#123456"', 5)),
        *(("inspect", {"taken_at": value}) for value in ("now", 5)),
        *(
            ("inspect", {"camera": {**GOOD["inspect"]["camera"], **value}})
            for value in ({"make": "x" * 101}, {"lens": "a\nb"}, {"iso": "9"}, {"model": None})
        ),
        ("inspect", {"camera": None}),
        ("inspect", {"camera": {}}),
    ],
    ids=str,
)
def test_answer__every_part_of_it_is_checked(monkeypatch, method, change):
    engine = strange()
    calls = {
        "read_header": lambda: engine.read_header(None, ("png",), max_pixels=1),
        "inspect": lambda: engine.inspect(None, ("png",)),
    }
    monkeypatch.setattr(engine._pool, "call", lambda *args, **kwargs: GOOD[method])
    assert calls[method]()
    monkeypatch.setattr(engine._pool, "call", lambda *a, **kw: {**GOOD[method], **change})
    with pytest.raises(UploadRefused, match="too_complex"):
        calls[method]()


@pytest.mark.parametrize("sizes", [[], [[1, 1]], [[32, 24], [32, 24]], None, [5]])
def test_answer__sizes_are_those_that_were_asked_for(monkeypatch, sizes):
    engine = strange()
    monkeypatch.setattr(engine._pool, "call", lambda *args, **kwargs: sizes)
    with pytest.raises(RenderFailed):
        engine.render(
            None,
            [(SPEC, io.BytesIO())],
            source_format="png",
            full_size=(64, 48),
            focal_point=(0.5, 0.5),
        )


def test_answer__that_does_not_end_is_cut(monkeypatch):
    monkeypatch.setattr(children, "_LONGEST_ANSWER", 10)
    with pytest.raises(UploadRefused, match="too_complex"):
        say(strange(), "anything")


# --- the child's side, in this process so that coverage sees it ----------------------------------


@pytest.fixture
def served(monkeypatch):
    """A socket behind which ``serve`` answers in a thread."""
    monkeypatch.setattr(worker, "_allow_seconds", lambda seconds: None)
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=worker.serve, args=(theirs, PillowEngine(), 5))
    thread.start()
    yield ours
    ours.close()
    thread.join()
    theirs.close()


def test_worker__answers_in_json_with_the_bytes_behind(served):
    with tempfile.TemporaryFile() as file:
        file.write(exif_picture())
        file.flush()
        for call in (
            ("read_header", {"formats": ALL, "max_pixels": MANY}, []),
            ("inspect", {"formats": ALL}, []),
            (
                "render",
                {"source_format": "jpeg", "full_size": (48, 64), "focal_point": (0.5, 0.5)},
                [SPEC],
            ),
            ("inspect", {"formats": ("png",)}, []),
            ("nonsense", {}, []),
        ):
            send_message(served, pickle.dumps(("token", *call)), (file.fileno(),))
            assert receive_exactly(served, 1) == TAKEN
            answer = json.loads(receive_message(served)[0])
            assert answer.pop("call") == "token"
            if call[0] == "render":
                assert answer == {"result": [[32, 43]], "lengths": answer["lengths"]}
                assert opened(receive_exactly(served, *answer["lengths"])).size == (32, 43)
            elif call == ("inspect", {"formats": ALL}, []):
                assert answer["result"]["taken_at"] == "2020-01-02T03:04:05"
            elif call[0] == "inspect":
                assert answer == {"refused": "damaged", "detail": "", "params": {}}
            elif call[0] == "nonsense":
                assert answer["failed"] == "AttributeError"


def test_worker__ends_when_nobody_calls(monkeypatch):
    monkeypatch.setattr(worker, "_IDLE", 0.05)
    ours, theirs = socket.socketpair()
    worker.serve(theirs, PillowEngine(), 1)
    ours.close()
    theirs.close()


def test_worker__knows_its_address_space():
    assert worker._address_space() > 2**20
