"""The tools with which other tests start, stop and kill real processes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.support.processes import Ports, Process, ProcessFailed, answers, listens, processes

SERVICE = """
import http.server, signal, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("ready on", server.server_port, flush=True)
server.serve_forever()
server.server_close()
"""
WAIT = "import time; time.sleep(60)"


def python(code: str, logs: Path, *arguments: object, **options: object) -> Process:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return Process(command, logs=logs, **options)  # type: ignore[arg-type]


def test_a_service_is_waited_for_asked_and_ended(tmp_path: Path) -> None:
    with Ports() as ports:
        port = ports.reserve()
        with python(SERVICE, tmp_path, ports.release(port), name="service") as service:
            assert service.wait_for_line(r"ready on (\d+)")[1] == str(port)
            service.wait_for_port(port)
            service.wait_for_http(f"http://127.0.0.1:{port}/health")
            assert not answers(f"http://127.0.0.1:{port}/")
            service.terminate()
            assert service.exit_code == 0
            assert repr(service) == "<Process service: ended with exit code 0>"
    assert not listens(port)


def test_ports_are_held_and_different() -> None:
    with Ports() as ports:
        reserved = {ports.reserve() for _ in range(50)}
        assert len(reserved) == 50
        port = reserved.pop()
        assert not listens(port)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        ports.release(port)
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))


def test_killed_ones_are_gone_with_their_children(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {WAIT!r}])
print("child", child.pid, flush=True)
time.sleep(60)
"""
    with python(code, tmp_path) as parent:
        child = int(parent.wait_for_line(r"child (\d+)")[1])
        parent.kill()
        assert parent.exit_code == -signal.SIGKILL
        assert "SIGKILL" in repr(parent)
        end = time.monotonic() + 10
        while is_alive(child) and time.monotonic() < end:
            time.sleep(0.02)
        assert not is_alive(child)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # one that nobody has waited for yet


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_stopped_one_does_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    code = """
import time
for number in range(10**6):
    print(number, flush=True)
    time.sleep(0.005)
"""
    with python(code, tmp_path) as counting:
        counting.wait_for_line("^3$")
        counting.stop()
        assert counting.is_running
        size = counting.out.stat().st_size
        time.sleep(0.1)
        assert counting.out.stat().st_size == size
        counting.resume()
        counting.wait_until(lambda: counting.out.stat().st_size > size, what="goes on")
        counting.stop()
        counting.kill()  # also works on stopped ones


def test_it_starts_again_and_only_new_lines_count(tmp_path: Path) -> None:
    with python("import os; print(os.getpid(), flush=True)", tmp_path) as process:
        first = process.wait_for_line(r"^\d+$")[0]
        process.wait_for_exit(code=0)
        process.start()
        assert process.wait_for_line(r"^\d+$")[0] == str(process.pid) != first
        process.wait_for_exit(code=0)
    assert len(process.out.read_text(encoding="utf-8").split()) == 2


def test_the_environment_is_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONE", "1")
    code = "import os; print(os.environ['NEW'], 'GONE' in os.environ, 'PATH' in os.environ)"
    with python(code, tmp_path, env={"NEW": "value", "GONE": None}) as process:
        process.wait_for_line("^value False True$")
    assert os.environ["GONE"] == "1"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import sys; sys.exit('broken: no key')", "ended with exit code 1 before it says 'ready'"),
        ("import os; os.kill(os.getpid(), 9)", "ended with SIGKILL before it says 'ready'"),
        (WAIT, "has been running for 0.5 s, but not so that it says 'ready'"),
    ],
)
def test_one_that_does_not_get_ready_fails_with_its_log(
    tmp_path: Path, code: str, what: str
) -> None:
    patience = 0.5 if code == WAIT else 30
    with python(code, tmp_path) as process, pytest.raises(ProcessFailed) as failed:
        process.wait_for_line("ready", seconds=patience)
    assert f"process {what}" in str(failed.value)
    assert ("broken: no key" in str(failed.value)) is ("broken" in code)


def test_half_a_line_is_not_a_line(tmp_path: Path) -> None:
    code = "import time; print('ready on 12', end='', flush=True); time.sleep(.3); print('34')"
    with python(code, tmp_path) as process:
        assert process.wait_for_line(r"ready on (\d+)")[1] == "1234"


def test_an_end_that_is_not_clean_fails(tmp_path: Path) -> None:
    raises = "import signal\ndef end(*_): raise KeyError('x')\nsignal.signal(signal.SIGTERM, end)"
    exits = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
    prints = "import sys, traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()"
    for code, what in (
        (f"{raises}\nprint('ready', flush=True)\nsignal.pause()", "exit code 1"),
        ("print('ready', flush=True); " + WAIT, "ended with SIGTERM instead of exit code 0"),
        (
            f"{exits}\n{prints}\nprint('ready', flush=True)\nsignal.pause()",
            "left a traceback",
        ),
    ):
        with python(code, tmp_path, name=what[-9:].replace(" ", "-")) as process:
            process.wait_for_line("ready")
            with pytest.raises(ProcessFailed, match=what):
                process.terminate()


def test_one_that_ignores_its_end_fails_in_time_and_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    )
    with python(f"{code}; {WAIT}", tmp_path) as process:
        process.wait_for_line("ready")
        with pytest.raises(ProcessFailed, match=r"did not end within 0.2 s"):
            process.terminate(seconds=0.2)
    assert process.exit_code == -signal.SIGKILL


def test_a_failing_test_gets_the_logs_of_all(tmp_path: Path) -> None:
    first = python("print('I am the first', flush=True); " + WAIT, tmp_path, name="A")
    second = python("import sys; sys.exit('I am the second')", tmp_path, name="B")

    def body() -> None:
        with processes(first, second):
            first.wait_for_line("first")
            second.wait_for_exit(code=1)
            raise KeyError

    with pytest.raises(KeyError) as failed:
        body()
    notes = "\n".join(failed.value.__notes__)
    assert "I am the first" in notes
    assert "I am the second" in notes
    assert not first.is_running


def test_the_tail_is_short(tmp_path: Path) -> None:
    with python("for n in range(10**5): print(n)", tmp_path) as process:
        process.wait_for_exit(code=0)
        lines = process.tail(5).splitlines()
    assert lines[1:6] == ["99995", "99996", "99997", "99998", "99999"]
    assert lines[-1] == "(empty)"
