"""A look at many parts of Python, each for a moment."""

import sys, os, math, json, re, struct, zlib, hashlib, decimal, fractions, itertools, collections, datetime, functools
import dataclasses, enum, io, random, textwrap, base64, heapq, bisect, statistics, string, operator, contextlib, typing

print(sys.version_info[:3], sys.platform, sys.argv[1:], os.environ.get("GREETING"), sys.maxsize, sys.byteorder)
print(2**200, -7 // 2, -7 % 3, 0.1 + 0.2, 1e16, float("nan"), round(2.5), int("ff", 16), 7 .bit_length(), hash(2**61))
print(json.dumps(json.loads('{"b": [1, 2.5, null, true], "a": "\\u00e9\\n"}'), sort_keys=True), f"{math.pi:>10.4f}|{255:#x}|{1234567:,}")
print(re.sub(r"(\w+)@(\w+)\.com", r"\2 at \1", "ann@example.com, bob@test.com"), re.findall(r"(?<=-)\d+", "a-1b-22-x"))
print(zlib.crc32(b"crc"), zlib.decompress(zlib.compress(b"text" * 99))[:8], hashlib.sha256(b"").hexdigest()[:16], hashlib.md5(b"x").hexdigest()[:8])
print(struct.pack("<ihd", -2, 513, 0.5).hex(), base64.b64encode(bytes(range(9))), decimal.Decimal(2).sqrt(), fractions.Fraction(3, 9))
print(datetime.date(2000, 2, 28) + datetime.timedelta(2), datetime.datetime.fromtimestamp(1e9, datetime.timezone.utc), sorted({3, 1, 2}))
print(collections.Counter("mississippi").most_common(2), list(itertools.permutations("abc", 2))[:3], functools.reduce(operator.mul, range(1, 20)))
print(random.Random(7).random(), random.Random(7).sample(range(100), 5), statistics.stdev([1, 2, 4]), math.gamma(4.5), math.erf(0.5))


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Chain:
    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        print("left with", kind.__name__, value)
        return True


print(Point(1) < Point(1, 2), Point(3), Color.RED, Color(2).name, [*map(str.upper, "ab")], {**{"a": 1}, "b": 2}, (lambda *a, k=1: (a, k))(1, 2))
with Chain():
    raise ValueError("on purpose")
try:
    [][1]
except IndexError as error:
    print(type(error).__name__, error)


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


print(deep(500), sum(x * x for x in range(100)), [y for x in [[1], [2, 3]] for y in x], textwrap.shorten("one two three four", 12))
try:
    deep(10**6)
except RecursionError as error:
    print(type(error).__name__)


def walk():
    received = yield 1
    yield received * 2
    yield from (3, 4)


steps = walk()
print(next(steps), steps.send(21), list(steps))
match {"kind": "circle", "radius": 2}:
    case {"kind": "circle", "radius": r}:
        print("circle", r)

with open("/data/note.txt", "w") as file:
    print(file.write("one\ntwo\nthrée\n"), file.tell())
with open("/data/note.txt", "rb") as file:
    file.seek(-4, io.SEEK_END)
    print(file.read(), os.stat("/data/note.txt").st_size, os.listdir("/data"))
os.mkdir("/data/sub")
os.rename("/data/note.txt", "/data/sub/moved.txt")
print([(os.path.basename(path), sorted(files)) for path, _, files in os.walk("/data")])
os.remove("/data/sub/moved.txt")
os.rmdir("/data/sub")
for name in ["/data/none", "/data/../outside", "/etc/passwd"]:
    try:
        open(name)
    except OSError as error:
        print(type(error).__name__)
print(sys.stdin.readline().strip(), [line.rstrip() for line in sys.stdin])
print("to stderr", file=sys.stderr)
sys.exit(3)
