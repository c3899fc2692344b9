"""The scenarios that every Python client executes through its `Driver`.

Each module below holds functions marked with `scenario`; their names are the claims that the
matrix reports. `cases` binds them to one client's driver.
"""

import own_broker

OWN_BROKER = "a broker of its own"
_REGISTERED = []


def scenario(needs=None, slow=False):
    """Registers a function (driver, run). `needs` names a feature that some library lacks; `slow`
    marks those that wait for a rebalance, which are started first."""

    def register(function):
        _REGISTERED.append((function, needs, slow))
        return function

    return register


def cases(driver):
    """The (name, function) list for `runner.run_cases`, slow scenarios first."""
    from scenarios import (  # registers on import
        admin,
        groups,
        offsets,
        records,
        refusals,
        restarts,
        transactional_offsets,
        transactions,
    )

    lacks = dict(driver.lacks)
    if not own_broker.is_available():
        lacks[OWN_BROKER] = "the matrix runs against a broker that is not its own"
    unknown = set(lacks) - {needs for _, needs, _ in _REGISTERED}
    if unknown:
        raise ValueError(f"{driver.name} lacks what no scenario needs: {sorted(unknown)}")
    chosen = [entry for entry in _REGISTERED if entry[1] not in lacks]
    chosen.sort(key=lambda entry: not entry[2])
    bound = [(function.__name__, _bind(function, driver)) for function, _, _ in chosen]
    codecs = [
        (f"{codec}_batches_round_trip_byte_exact", _bind(records.round_trip, driver, codec))
        for codec in driver.codecs
    ]
    codecs += [
        (f"{codec}_transactions_round_trip", _bind(transactions.round_trip, driver, codec))
        for codec in driver.codecs
    ]
    return bound + codecs


def _bind(function, driver, *arguments):
    return lambda run: function(driver, run, *arguments)
