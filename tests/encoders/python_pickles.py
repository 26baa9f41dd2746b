"""What Python's own pickle makes of values, for tests/encoders/pickle_python_test.ts.

    python3 python_pickles.py write          prints [[label, protocol, base64], ...]
    python3 python_pickles.py compare        reads [[base64, base64], ...], prints the indexes of those that differ
    python3 python_pickles.py expect         reads [[base64, expression], ...], prints what is wrong with each
"""
import base64
import datetime as dt
import json
import math
import pickle
import sys

sys.setrecursionlimit(5000)

SHARED = [1, 2]
DEEP = []
for _ in range(890):
    DEEP = [DEEP]

VALUES = {
    "constants": [None, True, False],
    "integers": [
        *(0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -1, -128, -129, -255, -256, -32769),
        *(-2**31, -2**31 - 1, 2**47 - 1, 2**47, -2**47, -2**47 - 1, 2**53 - 1, 2**53, -2**53),
        *(2**63, -2**63, 2**64, -2**64, 2**2040, -2**2040, 2**9999),
    ],
    "floats": [1.0, -0.0, 2.5, 1e300, 1e-7, math.nan, math.inf, -math.inf, {"1": 1.0, "b": 2.0}, (1.0,)],
    "texts": [
        *("", "a", "\u00e9" * 100, "\u00e9" * 127, "\u00e9" * 128, "\U0001f600" * 70, "a" * 85, "a" * 86),
        *("a" * 255, "a" * 256, "\ufffd", "\\u0041\n\r\0\x1a'\"", "\ufeffx"),
        *("\ud800", "x\udfffy" * 60, "\ufffd\ud800"),
    ],
    "bytes": [b"", b"\0\xff", b"x" * 255, b"x" * 256, bytearray(b"abc"), bytearray()],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((),)],
    "sets": [set(), {1.0}, frozenset(), frozenset([1, "a"]), {(1, 2)}],
    "dicts": [{}, {"2": 1, "a": 2, "1": 3, "__proto__": {"x": 1}, "constructor": {}}, {1.0: 2.0, "x": 1}],
    "odd keys": {"a": 1, "1": 1.0, "b": 2, None: 3, True: 4, 2**70: 5, (1,): 6, b"x": 7, 1.5: 8},
    "datetime": dt.datetime(2024, 1, 2, 3, 4, 5, 678901),
    "datetime in UTC": dt.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=dt.timezone.utc),
    "datetime with offset": [
        dt.datetime(1, 1, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=5))),
        dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-7), "MST")),
    ],
    "dates and spans": [dt.date(2020, 2, 29), dt.timedelta(days=-1, seconds=3, microseconds=5)],
    "complex": 1 + 2j,
    "shared": [SHARED, SHARED, {"a": SHARED}, "k", "k"],
    "deep": DEEP,
    "more than a batch": [list(range(1001)), {f"k{i}": i for i in range(1001)}, set(range(1001))],
    "more than a frame": [[i, str(i)] for i in range(9000)],
    "large": ["x" * 65536, b"x" * 65536, "tail"],
}


def equal(a, b):
    """Equality that tells 1 from 1.0 and True, 0.0 from -0.0, and lists from tuples, and takes nan for nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(equal(k, l) and equal(a[k], b[l]) for k, l in zip(a, b))
    if isinstance(a, (set, frozenset)):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    if isinstance(a, dt.datetime):
        return a == b and a.tzinfo == b.tzinfo
    return a == b


def load(text):
    return pickle.loads(base64.b64decode(text))


def write():
    return [
        [label, protocol, base64.b64encode(pickle.dumps(value, protocol)).decode()]
        for label, value in VALUES.items()
        for protocol in range(6)
    ]


def compare(pairs):
    return [i for i, (a, b) in enumerate(pairs) if not equal(load(a), load(b))]


def expect(pairs):
    found = []
    for text, expression in pairs:
        value = load(text)
        found.append((value, eval(expression, {"dt": dt, "math": math, "value": value})))
    return [f"{value!r} instead of {wanted!r}"[:500] for value, wanted in found if not equal(value, wanted)]


command = sys.argv[1]
result = write() if command == "write" else globals()[command](json.load(sys.stdin))
json.dump(result, sys.stdout)
