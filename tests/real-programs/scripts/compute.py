"""Work for a second or more in pure Python; the argument multiplies it. Nothing here depends on the platform."""

import sys, json, re, heapq
from collections import defaultdict
from decimal import Decimal, getcontext

PAIRS_DAYS = 365.24
MASS = 4 * 3.141592653589793**2


def nbody(steps):
    bodies = [
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], MASS),
        ([4.84143144246472, -1.16032004402743, -0.10362204447112], [0.60632639299583, 2.81198684491626, -0.02521836165988], 0.00095479193842 * MASS),
        ([8.34336671824458, 4.12479856412430, -0.40352341711432], [-1.01077434617879, 1.82566237123041, 0.00841576137658], 0.00028588598066 * MASS),
        ([12.8943695621391, -15.1111514016986, -0.22330757889266], [1.08279100644154, 0.86871301816961, -0.01083263740136], 0.00004366244043 * MASS),
    ]
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1 :]]
    for _ in range(steps):
        for (p, v, m), (q, w, n) in pairs:
            dx, dy, dz = p[0] - q[0], p[1] - q[1], p[2] - q[2]
            mag = 0.01 * ((dx * dx + dy * dy + dz * dz) ** -1.5)
            v[0] -= dx * n * mag
            v[1] -= dy * n * mag
            v[2] -= dz * n * mag
            w[0] += dx * m * mag
            w[1] += dy * m * mag
            w[2] += dz * m * mag
        for p, v, _ in bodies:
            p[0] += 0.01 * v[0]
            p[1] += 0.01 * v[1]
            p[2] += 0.01 * v[2]
    return f"{sum(m * (v[0] ** 2 + v[1] ** 2 + v[2] ** 2) for _, v, m in bodies):.9f}"


def sieve(n):
    flags = bytearray([1]) * (n + 1)
    flags[0:2] = b"\0\0"
    for i in range(2, int(n**0.5) + 1):
        if flags[i]:
            flags[i * i :: i] = bytes(len(range(i * i, n + 1, i)))
    return sum(flags), sum(i for i, flag in enumerate(flags) if flag) % 1000003


def pidigits(n):
    digits, k, a, b, a1, b1 = [], 2, 4, 1, 12, 4
    while len(digits) < n:
        p, q, k = k * k, 2 * k + 1, k + 1
        a, b, a1, b1 = a1, b1, p * a + q * a1, p * b + q * b1
        d, d1 = a // b, a1 // b1
        while d == d1 and len(digits) < n:
            digits.append(str(d))
            a, a1 = 10 * (a % b), 10 * (a1 % b1)
            d, d1 = a // b, a1 // b1
    return "".join(digits)[-10:]


class Vehicle:
    __slots__ = ("position", "speed")

    def __init__(self, position, speed):
        self.position = position
        self.speed = speed

    def step(self, limit):
        self.position = (self.position + self.speed) % limit


class Truck(Vehicle):
    def step(self, limit):
        super().step(limit)
        if self.position < limit // 2:
            self.position += 1


def objects(rounds):
    fleet = [(Truck if i % 3 == 0 else Vehicle)(i * 17 % 101, i % 7 + 1) for i in range(100)]
    for _ in range(rounds):
        for vehicle in fleet:
            vehicle.step(1009)
    return sum(vehicle.position for vehicle in fleet)


def grid_path(size):
    cost = lambda x, y: (x * 7919 + y * 104729 + x * y * 31) % 9 + 1
    best, queue = {(0, 0): 0}, [(0, 0, 0)]
    while queue:
        d, x, y = heapq.heappop(queue)
        if (x, y) == (size - 1, size - 1):
            return d, len(best)
        if d > best[x, y]:
            continue
        for nx, ny in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if 0 <= nx < size and 0 <= ny < size:
                nd = d + cost(nx, ny)
                if nd < best.get((nx, ny), 1 << 30):
                    best[nx, ny] = nd
                    heapq.heappush(queue, (nd, nx, ny))


def text(count):
    seed, lines = 42, []
    for i in range(count):
        seed = (seed * 1103515245 + 12345) % 2**31
        lines.append(f"{seed:08x} user{seed % 97} {'GET' if seed & 64 else 'POST'} /page/{seed % 1013}?q={i}")
    pattern = re.compile(r"^([0-9a-f]+) (\w+) (GET|POST) /page/(\d+)\?q=(\d+)$")
    by_user = defaultdict(list)
    for line in lines:
        match = pattern.match(line)
        by_user[match[2]].append((int(match[4]), match[3], match[1][::-1]))
    document = json.dumps({user: sorted(rows) for user, rows in sorted(by_user.items())})
    again = json.loads(document)
    return len(document), sum(len(rows) for rows in again.values()), max(again, key=lambda user: (len(again[user]), user))


def generators(n):
    def numbers():
        yield from range(n)

    def only(test, items):
        for item in items:
            try:
                if item % 11 == 0:
                    raise KeyError(item)
                if test(item):
                    yield item
            except KeyError as error:
                yield -error.args[0]

    return sum(only(lambda i: i & 5, numbers()))


def decimals(n):
    getcontext().prec = 50
    total = term = Decimal(1)
    for i in range(1, n):
        term /= i % 40 + 1
        total += term
        if i % 40 == 0:
            term = Decimal(1) / i
    return str(total)[:30]


times = int(sys.argv[1]) if len(sys.argv) > 1 else 1
for round in range(1, times + 1):
    print(round, "nbody", nbody(4000))
    print(round, "sieve", *sieve(300000))
    print(round, "pidigits", pidigits(600))
    print(round, "objects", objects(1500))
    print(round, "grid_path", *grid_path(110))
    print(round, "text", *text(7000))
    print(round, "generators", generators(120000))
    print(round, "decimals", decimals(3000), flush=True)
