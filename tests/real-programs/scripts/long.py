"""A long mixed load in pure Python: the argument says how many rounds of it, each with other data.

The work is done by the interpreter, not by library modules in C. Nothing here depends on the platform: no hashes are
looked at, and floating-point numbers are made by correctly rounded operations only.
"""

import sys
from math import sqrt


class Random:
    """A linear congruential generator, so that all runs see the same numbers."""

    def __init__(self, seed):
        self.state = seed * 2654435761 % 2**31

    def below(self, limit):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % limit


# Floating-point numbers in attributes: planets.


class Body:
    __slots__ = ("x", "y", "z", "vx", "vy", "vz", "mass")

    def __init__(self, x, y, z, vx, vy, vz, mass):
        self.x, self.y, self.z = x, y, z
        self.vx, self.vy, self.vz = vx, vy, vz
        self.mass = mass


def planets(random, steps):
    bodies = [Body(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 40.0)]
    for i in range(4):
        radius = 5.0 + 6.0 * i + random.below(100) / 100.0
        bodies.append(Body(radius, 0.1 * i, 0.0, 0.0, sqrt(40.0 / radius), 0.01 * i, 0.03 / (i + 1)))
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1 :]]
    time = 0.01
    for _ in range(steps):
        for a, b in pairs:
            dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
            square = dx * dx + dy * dy + dz * dz
            pull = time / (square * sqrt(square))
            to_a, to_b = b.mass * pull, a.mass * pull
            a.vx -= dx * to_a
            a.vy -= dy * to_a
            a.vz -= dz * to_a
            b.vx += dx * to_b
            b.vy += dy * to_b
            b.vz += dz * to_b
        for body in bodies:
            body.x += time * body.vx
            body.y += time * body.vy
            body.z += time * body.vz
    energy = 0.0
    for body in bodies:
        energy += 0.5 * body.mass * (body.vx**2 + body.vy**2 + body.vz**2)
    for a, b in pairs:
        energy -= a.mass * b.mass / sqrt((a.x - b.x) ** 2 + (a.y - b.y) ** 2 + (a.z - b.z) ** 2)
    return f"{energy:.9f}"


# Dictionaries and strings: an index of words.


def words(random, count):
    syllables = ["ka", "to", "mi", "ren", "sol", "ba", "lun", "de", "vor", "is", "qua", "zen"]
    vocabulary = ["".join(syllables[random.below(12)] for _ in range(1 + random.below(4))) for _ in range(900)]
    text = " ".join(
        vocabulary[random.below(30 if random.below(2) else 900)] + ("." if random.below(9) == 0 else "")
        for _ in range(count)
    )
    counts, places, after = {}, {}, {}
    previous = None
    for position, word in enumerate(text.split()):
        ends = word.endswith(".")
        word = word.rstrip(".").capitalize() if previous is None else word.rstrip(".")
        counts[word] = counts.get(word, 0) + 1
        places.setdefault(word, []).append(position)
        if previous is not None:
            following = after.setdefault(previous, {})
            following[word] = following.get(word, 0) + 1
        previous = None if ends else word
    reversed_words = {word[::-1] for word in counts}
    palindromes = sorted(word for word in counts if word in reversed_words)
    vowels = 0
    for character in text:
        if character in "aeiou":
            vowels += 1
    widest = max(places, key=lambda word: (places[word][-1] - places[word][0], word))
    pairs = sum(len(following) for following in after.values())
    line = "{}:{}:{}:{}".format(len(counts), len(palindromes), pairs, vowels)
    return line, widest, max(counts, key=lambda word: (counts[word], word))


# Sorting with keys, and a sort of our own.


def merge_sort(items, before):
    if len(items) < 2:
        return items
    middle = len(items) // 2
    left, right = merge_sort(items[:middle], before), merge_sort(items[middle:], before)
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if before(right[j], left[i]):
            merged.append(right[j])
            j += 1
        else:
            merged.append(left[i])
            i += 1
    merged.extend(left[i:])
    merged.extend(right[j:])
    return merged


def sorting(random, count):
    people = [
        {"name": f"p{random.below(5000):04}", "age": random.below(90), "town": "abcdefgh"[random.below(8)]}
        for _ in range(count)
    ]
    people.sort(key=lambda person: person["name"])
    people.sort(key=lambda person: (person["town"], -person["age"]))
    by_digits = sorted(range(count), key=lambda i: (str(people[i]["age"])[::-1], people[i]["name"][2:], i))
    merged = merge_sort([person["age"] * 1000 + i % 1000 for i, person in enumerate(people)], lambda a, b: a < b)
    checksum = 0
    for i in by_digits:
        checksum = (checksum * 31 + i) % 1000000007
    for number in merged:
        checksum = (checksum * 33 + number) % 1000000007
    return people[0]["name"], people[-1]["name"], checksum


# An interpreter of a small stack machine.


def machine(code, limit):
    stack, variables, at, steps = [], [0] * 8, 0, 0
    while steps < limit:
        operation, operand = code[at]
        at += 1
        steps += 1
        if operation == "push":
            stack.append(operand)
        elif operation == "load":
            stack.append(variables[operand])
        elif operation == "store":
            variables[operand] = stack.pop()
        elif operation == "add":
            right = stack.pop()
            stack[-1] = (stack[-1] + right) & 0xFFFFFFFF
        elif operation == "multiply":
            right = stack.pop()
            stack[-1] = (stack[-1] * right) & 0xFFFFFFFF
        elif operation == "xor":
            right = stack.pop()
            stack[-1] ^= right
        elif operation == "shift":
            stack[-1] >>= operand
        elif operation == "less":
            right = stack.pop()
            stack[-1] = int(stack[-1] < right)
        elif operation == "jump":
            at = operand
        elif operation == "unless":
            if not stack.pop():
                at = operand
        else:
            break
    return variables[1], steps


def interpreter(random, loops):
    seed = random.below(1000)
    program = [
        ("push", seed), ("store", 1), ("push", 0), ("store", 0),
        ("load", 0), ("push", loops), ("less", None), ("unless", 22),
        ("load", 1), ("push", 1664525), ("multiply", None), ("push", 1013904223), ("add", None), ("store", 1),
        ("load", 1), ("load", 1), ("shift", 7), ("xor", None), ("store", 1),
        ("load", 0), ("push", 1), ("jump", 23),
        ("halt", None),
        ("add", None), ("store", 0), ("jump", 4),
    ]  # fmt: skip
    return machine(program, 1 << 30)


# A parser of JSON texts, by characters.


class Parser:
    ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

    def __init__(self, text):
        self.text = text
        self.at = 0

    def space(self):
        while self.at < len(self.text) and self.text[self.at] in " \n":
            self.at += 1

    def expect(self, character):
        if self.text[self.at] != character:
            raise ValueError(f"{character!r} expected at {self.at}")
        self.at += 1

    def value(self):
        self.space()
        character = self.text[self.at]
        if character == "{":
            result = {}
            for key in self.items("{", "}"):
                self.expect(":")
                result[key] = self.value()
            return result
        if character == "[":
            return list(self.items("[", "]"))
        if character == '"':
            return self.string()
        for word, meaning in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        return self.number()

    def items(self, opening, closing):
        self.expect(opening)
        self.space()
        while self.text[self.at] != closing:
            yield self.value()
            self.space()
            if self.text[self.at] == ",":
                self.at += 1
        self.expect(closing)

    def string(self):
        self.expect('"')
        characters = []
        while True:
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(characters)
            if character == "\\":
                character = self.ESCAPES[self.text[self.at]]
                self.at += 1
            characters.append(character)

    def number(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "-0123456789.e":
            self.at += 1
        digits = self.text[start : self.at]
        return float(digits) if "." in digits else int(digits)


def write(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write(key)}: {write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if value is None:
        return "null"
    return repr(value).lower()


def json(random, count):
    records = [
        {
            "id": i,
            "tags": [f"tag{random.below(50)}" for _ in range(random.below(4))],
            "note": 'say "hi"\n' * random.below(3),
            "weight": random.below(1000) / 8,
            "parent": None if i % 5 == 0 else {"id": random.below(i), "near": i % 2 == 0},
        }
        for i in range(count)
    ]
    text = write(records)
    parsed = Parser(text).value()
    if parsed != records:
        raise AssertionError("it reads something else than it wrote")
    return len(text), sum(record["weight"] for record in parsed), sum(len(record["tags"]) for record in parsed)


# Classes with methods: expressions that are simplified, derived and evaluated.


class Expression:
    def __add__(self, other):
        return Sum(self, other)

    def __mul__(self, other):
        return Product(self, other)


class Constant(Expression):
    def __init__(self, number):
        self.number = number

    def at(self, x):
        return self.number

    def derived(self):
        return Constant(0)

    def simplified(self):
        return self


class Variable(Expression):
    def at(self, x):
        return x

    def derived(self):
        return Constant(1)

    def simplified(self):
        return self


class Binary(Expression):
    def __init__(self, left, right):
        self.left = left
        self.right = right

    def is_constant(self):
        return isinstance(self.left, Constant) and isinstance(self.right, Constant)


class Sum(Binary):
    def at(self, x):
        return (self.left.at(x) + self.right.at(x)) % 1000003

    def derived(self):
        return self.left.derived() + self.right.derived()

    def simplified(self):
        result = Sum(self.left.simplified(), self.right.simplified())
        if result.is_constant():
            return Constant(result.at(0))
        if isinstance(result.left, Constant) and result.left.number == 0:
            return result.right
        if isinstance(result.right, Constant) and result.right.number == 0:
            return result.left
        return result


class Product(Binary):
    def at(self, x):
        return self.left.at(x) * self.right.at(x) % 1000003

    def derived(self):
        return self.left.derived() * self.right + self.left * self.right.derived()

    def simplified(self):
        result = Product(self.left.simplified(), self.right.simplified())
        if result.is_constant():
            return Constant(result.at(0))
        for one, other in ((result.left, result.right), (result.right, result.left)):
            if isinstance(one, Constant):
                if one.number == 0:
                    return one
                if one.number == 1:
                    return other
        return result


def expression(random, depth):
    if depth == 0:
        return Variable() if random.below(2) else Constant(random.below(10))
    left, right = expression(random, depth - 1), expression(random, depth - 1)
    return left + right if random.below(3) else left * right


def objects(random, rounds):
    checksum = 0
    for i in range(rounds):
        formula = expression(random, 6)
        slope = formula.derived().simplified()
        for x in range(20):
            checksum = (checksum * 7 + formula.at(x) + slope.at(x + i)) % 1000003
    return checksum


# Generators: queens on a board, a chain of filters, and walks over trees.


def queens(size, columns=(), left=(), right=()):
    row = len(columns)
    if row == size:
        yield columns
        return
    for column in range(size):
        if column not in columns and row + column not in left and row - column not in right:
            yield from queens(size, columns + (column,), left + (row + column,), right + (row - column,))


def naturals(start):
    while True:
        yield start
        start += 1


def without(divisor, numbers):
    for number in numbers:
        if number % divisor:
            yield number


def primes():
    numbers = naturals(2)
    while True:
        prime = next(numbers)
        yield prime
        numbers = without(prime, numbers)


def tree(random, depth):
    if depth == 0:
        return None
    return tree(random, depth - 1), random.below(1000), tree(random, depth - 1)


def in_order(node):
    if node is not None:
        left, item, right = node
        yield from in_order(left)
        yield item
        yield from in_order(right)


def generators(random, size, count, depth):
    skip = random.below(30)
    boards = sum(1 for _ in queens(size))
    last = checksum = 0
    for i, prime in zip(range(count), primes()):
        last = prime
        if i >= skip:
            checksum = (checksum * 17 + prime) % 1000003
    nodes = tree(random, depth)
    rising, before = 0, 0
    for item in in_order(nodes):
        rising += item > before
        before = item
    return boards, last, checksum, rising, sum(item * item for item in in_order(nodes))


# Big integers: Fibonacci numbers, powers, roots, and their digits.


def big_integers(random, size):
    a, b = 0, 1
    for _ in range(size):
        a, b = b, a + b
    digits = str(a)
    product = 1
    for i in range(2, size // 2):
        product *= i
    number = product // (a + 1) + random.below(1000)
    root = 1 << (number.bit_length() + 1) // 2
    while True:
        closer = (root + number // root) // 2
        if closer >= root:
            break
        root = closer
    modulus = 2**521 - 1
    power = pow(number, 65537, modulus)
    inverse = pow(power, -1, modulus)
    remainder, other = number, modulus
    steps = 0
    while other:
        remainder, other = other, remainder % other
        steps += 1
    return digits[:6], len(digits), root % 1000003, power % 1000003, inverse % 1000003, steps


rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
for round in range(1, rounds + 1):
    random = Random(round)
    print(round, "planets", planets(random, 15000))
    print(round, "words", *words(random, 38000))
    print(round, "sorting", *sorting(random, 10000))
    print(round, "interpreter", *interpreter(random, 22000))
    print(round, "json", *json(random, 2200))
    print(round, "objects", objects(random, 85))
    print(round, "generators", *generators(random, 8, 300, 13))
    print(round, "big_integers", *big_integers(random, 14000), flush=True)
