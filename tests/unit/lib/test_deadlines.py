import threading
import time

from homeport.lib.deadlines import Deadlines


def test_calls_in_the_order_of_their_times_whatever_the_order_of_asking() -> None:
    deadlines, heard, done = Deadlines(), list[str](), threading.Event()
    deadlines.after(3600, lambda: heard.append("never"))
    deadlines.after(0.15, done.set)
    deadlines.after(0.1, lambda: heard.append("second"))
    deadlines.after(0.02, lambda: heard.append("first"))
    assert done.wait(10)
    assert heard == ["first", "second"]


def test_one_that_is_canceled_is_not_called() -> None:
    deadlines, heard, done = Deadlines(), list[str](), threading.Event()
    cancel = deadlines.after(0.05, lambda: heard.append("canceled"))
    deadlines.after(0.15, done.set)
    cancel()
    cancel()
    assert done.wait(10)
    assert heard == []


def test_one_that_is_over_may_be_canceled() -> None:
    deadlines, done = Deadlines(), threading.Event()
    cancel = deadlines.after(0, done.set)
    assert done.wait(10)
    cancel()


def test_a_thread_for_all() -> None:
    deadlines, before = Deadlines(), threading.active_count()
    for _ in range(50):
        deadlines.after(3600, time.sleep)  # type: ignore[arg-type]
    assert threading.active_count() == before + 1
