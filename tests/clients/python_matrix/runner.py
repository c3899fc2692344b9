"""Runs test cases concurrently and reports them in the client matrix's line format.

Called by every Python client's `run`. Knows nothing of Kafka: a case is a function that takes a
`Run` and raises when its claim does not hold. Every case runs in its own thread with its own
deadline; a case that hangs is reported as failed and does not keep the process alive.
"""

import dataclasses
import os
import queue
import sys
import threading
import time
import traceback

# Longer for Apache Kafka, which takes seconds to start where a case restarts its broker.
CASE_DEADLINE_S = 180.0 if os.environ.get("RINGBROOK_MATRIX_BROKER") == "kafka" else 60.0
POLL_INTERVAL_S = 0.02


@dataclasses.dataclass(frozen=True)
class Run:
    """Where a case works: the broker's address and a prefix for names nobody else uses."""

    bootstrap: str
    prefix: str

    def seed(self):
        """The seed of a case's random choices: SEED in the environment or a new one. The case puts
        it into the reason of its failure."""
        return int(os.environ.get("SEED", time.time_ns() % (1 << 32)))

    def name(self, suffix=""):
        """A topic or group name that belongs to this case alone."""
        return f"{self.prefix}-{suffix}" if suffix else self.prefix


class Claim(AssertionError):
    """A claim about the broker that did not hold."""


def claim(holds, message):
    """Raises `Claim` with `message` unless `holds`. Survives `python -O`, unlike `assert`."""
    if not holds:
        raise Claim(message)


def claim_equal(actual, expected, what):
    """Claims that two values are equal and shows both when they are not."""
    claim(actual == expected, f"{what}: expected {expected!r}, found {actual!r}")


def eventually(probe, what, timeout_s=30.0):
    """Polls `probe` until it returns something true and returns that; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = probe()
        if found:
            return found
        if deadline < time.monotonic():
            raise Claim(f"not within {timeout_s:.0f} s: {what() if callable(what) else what}")
        time.sleep(POLL_INTERVAL_S)


def _reason(error):
    """One line that names the error and the place in the matrix that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text[:600]}{place}"


def _worker(client, settings, todo, started, finished):
    while True:
        try:
            name, function = todo.get_nowait()
        except queue.Empty:
            return
        bootstrap, run_id = settings
        started[name] = time.monotonic()
        try:
            function(Run(bootstrap, f"{run_id}-{client}-{name}"))
            finished.put((name, None))
        except Exception as error:  # the boundary: every failure becomes a FAILED line
            if os.environ.get("TRACE"):
                traceback.print_exc()
            finished.put((name, _reason(error)))


def _overdue(started, open_names):
    now = time.monotonic()
    return [n for n in open_names if n in started and started[n] + CASE_DEADLINE_S < now]


def run_cases(client, cases, workers=8):
    """Runs `cases` (name, function) and exits the process: 0 if all passed, 1 otherwise.

    Slow cases should come first. `CASES` in the environment restricts the run to names that
    contain it; that is for a developer at work and still fails when nothing matches.
    """
    settings = os.environ["BOOTSTRAP"], os.environ["RUN_ID"]
    wanted = os.environ.get("CASES", "")
    cases = [(name, function) for name, function in cases if wanted in name]
    todo, finished, started = queue.SimpleQueue(), queue.SimpleQueue(), {}
    for case in cases:
        todo.put(case)
    for _ in range(workers):
        arguments = (client, settings, todo, started, finished)
        threading.Thread(target=_worker, args=arguments, daemon=True).start()
    open_names = {name for name, _ in cases}
    failed = 0
    while open_names:
        try:
            results = [finished.get(timeout=0.25)]
        except queue.Empty:
            overdue = _overdue(started, open_names)
            results = [(name, f"still running after {CASE_DEADLINE_S:.0f} s") for name in overdue]
            for _ in overdue:  # the hung thread is lost to the pool: replace it
                arguments = (client, settings, todo, started, finished)
                threading.Thread(target=_worker, args=arguments, daemon=True).start()
        for name, reason in results:
            if name not in open_names:
                continue
            open_names.discard(name)
            failed += reason is not None
            print(f"ok {name}" if reason is None else f"FAILED {name}: {reason}", flush=True)
    print(f"{client}: {len(cases) - failed} passed, {failed} failed", flush=True)
    sys.stdout.flush()
    # Not sys.exit: a client's own threads must not keep a finished run alive.
    os._exit(0 if cases and not failed else 1)
