"""Logs and metrics: closed lists of fields and labels, and nothing of anybody in them."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from guosuo.errors import CallerError
from guosuo_node.host.log import (
    FIELDS,
    Log,
    LogFieldError,
    frames_of,
    open_log,
    redirect_libraries,
)
from guosuo_node.host.metrics import Metrics
from guosuo_node.rpc.observe import HostObserver, methods

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
PERSON = "Zhang Wei 1990-01-01"


def log_into(stream: io.StringIO, level: str = "info") -> Log:
    return open_log(stream, lambda: NOW, level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_event_first() -> None:
    stream = io.StringIO()
    log = log_into(stream).with_fields(region="330000")
    log.info("epoch-turned", epoch=4, seconds=1.5)
    log.debug("not-shown")
    log.warning("peer-away", peer="420000", attempt=3)
    assert stream.getvalue().startswith('{"time": "2026-11-25T12:00:00.000+00:00", "level": "info"')
    assert lines(stream)[0] | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "epoch-turned",
        "region": "330000",
        "epoch": 4,
        "seconds": 1.5,
    }
    assert [line["event"] for line in lines(stream)] == ["epoch-turned", "peer-away"]


@pytest.mark.parametrize(
    "fields",
    [
        {"slot": 4},
        {"name": PERSON},
        {"address": "192.0.2.7"},
        {"message": "text"},
        {"exc_info": True},
        {"time": "1"},
        {"level": "x"},
        {"epoch": "4"},
        {"epoch": True},
        {"region": 330000},
        {"leader": 1},
        {"region": "张伟"},
        {"region": "a\nb"},
        {"region": "x" * 1001},
        {"count": None},
        {"count": [1]},
        {"blob": b"bytes"},
    ],
)
def test_other_fields_and_values_raise(fields: dict[str, object]) -> None:
    stream = io.StringIO()
    wrong: dict[str, str] = dict(fields)  # type: ignore[arg-type]
    log = log_into(stream)
    with pytest.raises(LogFieldError) as caught:
        log.info("event", **wrong)
    assert str(caught.value) in {*fields}
    with pytest.raises(LogFieldError):
        log.debug("event", **wrong)
    with pytest.raises(LogFieldError):
        log.with_fields(**wrong)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("event", ["", "Two words", "with {name}", "UPPER", "a-", PERSON])
def test_events_are_fixed_words(event: str) -> None:
    with pytest.raises(LogFieldError):
        log_into(io.StringIO()).info(event)


def test_no_field_is_about_a_person() -> None:
    assert not {"slot", "slots", "address", "name", "evidence", "holder", "text", "message"} & {
        *FIELDS
    }


def fail() -> None:
    raise RuntimeError(PERSON)


def failing() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        fail()
    return caught.value


def test_an_exception_is_its_class_and_its_place() -> None:
    stream = io.StringIO()
    log_into(stream).failed("step-failed", failing(), epoch=4)
    assert "Zhang" not in stream.getvalue()
    line = lines(stream)[0]
    assert (line["level"], line["error"], line["epoch"]) == ("error", "RuntimeError", 4)
    assert str(line["frames"]).endswith(" fail")
    assert frames_of(RuntimeError(PERSON)) == ""


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_what_libraries_log_loses_its_text(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    redirect_libraries(log_into(stream))
    assert len(root_logger.handlers) == 1
    logger = logging.getLogger("some.library")
    logger.warning("from 192.0.2.7: %s", PERSON)
    logger.info("quiet")
    try:
        fail()
    except RuntimeError:
        logger.exception("failed: %s", PERSON)
    assert "Zhang" not in stream.getvalue()
    assert "192.0.2.7" not in stream.getvalue()
    assert [(line["level"], line["logger"], line["error"]) for line in lines(stream)] == [
        ("warning", "some.library", "none"),
        ("error", "some.library", "RuntimeError"),
    ]


def make_metrics() -> Metrics:
    return Metrics(
        methods=methods(), judgements=("admit", "hold"), queues=("orders",), steps=("sign",)
    )


def test_metrics_count_and_measure() -> None:
    metrics = make_metrics()
    stream = io.StringIO()
    observer = HostObserver(metrics, log_into(stream))
    method = "/guosuo.v1.Enrolment/Enrol"
    for name in (method, f"/{PERSON}/x"):
        observer.started(name)
        observer.finished(name, "OK", 0.3)
    observer.started(method)
    observer.failed(method, failing())
    observer.failed(PERSON, failing())
    metrics.set_regions(["330000", "420000"])
    metrics.set_region("330000", epoch=4, size=9, lag=0.0, judgement="hold")
    metrics.set_region("420000", epoch=3, size=8, lag=12.5, judgement="admit")
    metrics.set_queue("orders", 5)
    metrics.step_took("sign", 3.0)
    metrics.set_leader(leads=True)
    text = metrics.exposed().decode()
    for line in (
        'guosuo_rpc_calls_total{code="OK",method="/guosuo.v1.Enrolment/Enrol"} 1.0',
        'guosuo_rpc_calls_total{code="OK",method="other"} 1.0',
        "guosuo_rpc_running 1.0",
        'guosuo_judgement{judgement="hold",region="330000"} 1.0',
        'guosuo_judgement{judgement="admit",region="330000"} 0.0',
        'guosuo_lag_seconds{region="420000"} 12.5',
        'guosuo_queue{queue="orders"} 5.0',
        "guosuo_leader 1.0",
    ):
        assert line in text
    assert "Zhang" not in text
    assert "Zhang" not in stream.getvalue()
    assert [line["method"] for line in lines(stream)] == [method, "other"]


def test_labels_are_closed_sets() -> None:
    metrics = make_metrics()
    metrics.set_regions(["330000"])
    wrongs: list[Callable[[], None]] = [
        lambda: metrics.set_region("999999", epoch=0, size=0, lag=0, judgement="admit"),
        lambda: metrics.set_region("330000", epoch=0, size=0, lag=0, judgement="maybe"),
        lambda: metrics.set_queue("other", 1),
        lambda: metrics.step_took("other", 1.0),
    ]
    for wrong in wrongs:
        with pytest.raises(CallerError):
            wrong()
    for number in range(1000):
        metrics.call_started()
        metrics.call_finished(f"/made.up/{number}", "OK", 0.1)
    assert metrics.exposed().count(b"guosuo_rpc_calls_total{") == 1


def test_a_region_that_left_leaves_no_series() -> None:
    metrics = make_metrics()
    metrics.set_regions(["330000", "420000"])
    for region in ("330000", "420000"):
        metrics.set_region(region, epoch=1, size=1, lag=0.0, judgement="admit")
    metrics.set_regions(["330000"])
    assert b"420000" not in metrics.exposed()
    assert b"330000" in metrics.exposed()
    metrics.set_regions([])
    metrics.set_regions(["330000"])  # a member without a judgement yet has no series either


def test_two_nodes_in_one_process_have_two_registries() -> None:
    first, second = make_metrics(), make_metrics()
    first.set_leader(leads=True)
    assert b"guosuo_leader 0.0" in second.exposed()
