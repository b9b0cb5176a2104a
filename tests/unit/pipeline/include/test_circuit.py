"""A host that has failed is not asked again; what was asked once is remembered."""

import threading

import pytest

from homeport.pipeline.include.api import DeadHostError, UnreachedError
from homeport.pipeline.include.circuit import Circuit, Memo


def test_a_dead_host_is_asked_once() -> None:
    circuit, calls = Circuit(), []

    def fail() -> str:
        calls.append(1)
        raise DeadHostError("no answer")

    for _ in range(3):
        with pytest.raises(UnreachedError, match="no answer"):
            circuit.reach("h", fail)
    assert len(calls) == 1
    assert circuit.reach("other", lambda: "fine") == "fine"


def test_a_host_that_refuses_one_project_is_asked_for_the_next() -> None:
    circuit = Circuit()

    def refuse() -> str:
        raise UnreachedError("access denied")

    with pytest.raises(UnreachedError):
        circuit.reach("h", refuse)
    assert circuit.reach("h", lambda: "fine") == "fine"


def test_many_threads_wait_for_the_first() -> None:
    circuit, calls, reasons = Circuit(), [], []
    gate = threading.Event()

    def fail() -> str:
        calls.append(1)
        gate.wait(5)
        raise DeadHostError("no answer")

    def ask() -> None:
        try:
            circuit.reach("h", fail)
        except UnreachedError as error:
            reasons.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (len(calls), reasons) == (1, ["no answer"] * 8)


def test_a_memo_remembers_results_and_failures() -> None:
    memo, calls = Memo(), []

    def make() -> int:
        calls.append(1)
        return len(calls)

    def fail() -> int:
        calls.append(1)
        raise ValueError("no")

    assert [memo.get("a", make), memo.get("a", make), memo.get("b", make)] == [1, 1, 2]
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            memo.get("c", fail)
    assert len(calls) == 3
