"""Events as JSON lines."""

import io
import json
import os
import threading

from homeport.pipeline.model.event import JobFinished, JobNote, JobOutput, RunFinished, Status
from homeport.pipeline.report.jsonl import JsonLines


def test_each_event_is_one_object_on_one_line() -> None:
    stream = io.BytesIO()
    with JsonLines(stream) as report:
        report(JobOutput(time=1.5, job="a", lines=("one", "two\x1b[0m")))
        report(JobFinished(time=2.0, job="a", stage="test", status=Status.FAILED, exit_code=1))
        report(RunFinished(run="1", status=Status.FAILED, at="", stages={"test": Status.FAILED}))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0] == {
        "event": "job_output",
        "time": 1.5,
        "pipeline": None,
        "job": "a",
        "lines": ["one", "two\x1b[0m"],
    }
    assert [line["event"] for line in lines] == ["job_output", "job_finished", "run_finished"]
    assert (lines[1]["status"], lines[2]["stages"]) == ("failed", {"test": "failed"})


def test_a_name_that_is_no_unicode_is_spelt_out() -> None:
    stream = io.BytesIO()
    JsonLines(stream)(JobNote(job="a", message="file \udcff"))
    assert json.loads(stream.getvalue())["message"] == "file \udcff"


def test_whole_lines_from_many_threads_through_a_pipe() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as file, os.fdopen(read_end, "rb") as source:
        report = JsonLines(file)

        def talk(name: str) -> None:
            for number in range(50):
                report(JobOutput(job=name, lines=(f"{number} " + "x" * 9000,)))

        def talk_all() -> None:
            threads = [threading.Thread(target=talk, args=(f"j{n}",)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            file.close()

        talker = threading.Thread(target=talk_all)
        talker.start()
        told = [json.loads(line) for line in source]
        talker.join()
    numbers: dict[str, list[int]] = {}
    for event in told:
        numbers.setdefault(event["job"], []).append(int(event["lines"][0].split()[0]))
    assert len(numbers) == 8
    assert all(seen == list(range(50)) for seen in numbers.values())
