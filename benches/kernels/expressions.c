// A tree of expressions, of which each node computes itself by a method of its kind. There are ten kinds, and the nodes
// of some are much more frequent than others, as in real trees: what a call reaches can be foreseen most of the time,
// but not always. The table of methods is exported, so nothing says that it never changes.
#include "kernel.h"

typedef struct Node Node;

struct Node {
    i32 (*value)(const Node *, const i32 *);
    const Node *left, *right;
    i32 number;
};

// ---- The kinds

#define LEFT node->left->value(node->left, variables)
#define RIGHT node->right->value(node->right, variables)

static i32 constant(const Node *node, const i32 *variables) {
    return (void)variables, node->number;
}

static i32 variable(const Node *node, const i32 *variables) {
    return variables[node->number & 7];
}

// Numbers wrap around.
static i32 sum(const Node *node, const i32 *variables) {
    return (i32)((u32)LEFT + (u32)RIGHT);
}

static i32 difference(const Node *node, const i32 *variables) {
    return (i32)((u32)LEFT - (u32)RIGHT);
}

static i32 product(const Node *node, const i32 *variables) {
    return (i32)((u32)LEFT * (u32)RIGHT);
}

static i32 exclusive_or(const Node *node, const i32 *variables) {
    return LEFT ^ RIGHT;
}

static i32 both(const Node *node, const i32 *variables) {
    return LEFT & RIGHT;
}

static i32 shifted(const Node *node, const i32 *variables) {
    return (i32)((u32)LEFT << (node->number & 31));
}

static i32 negated(const Node *node, const i32 *variables) {
    return (i32)-(u32)LEFT;
}

static i32 chosen(const Node *node, const i32 *variables) {
    return LEFT > 0 ? RIGHT : node->number;
}

static i32 (*const LEAVES[])(const Node *, const i32 *) = {
    variable, variable, variable, variable, variable, variable, constant, constant,
};

static i32 (*const BRANCHES[])(const Node *, const i32 *) = {
    sum, sum, sum, sum, sum, sum, sum, sum, product, product, difference, exclusive_or, both, shifted, negated, chosen,
};

// ---- The tree

#define DEPTH 9

static Node nodes[(2 << DEPTH) - 1];
static u32 used;

static const Node *grow(u32 depth, u64 *random) {
    Node *node = &nodes[used++];
    node->value = depth == 0 ? LEAVES[next_random_below(random, 8)] : BRANCHES[next_random_below(random, 16)];
    node->number = (i32)next_random_below(random, 100);
    node->left = depth == 0 ? 0 : grow(depth - 1, random);
    node->right = depth == 0 ? 0 : grow(depth - 1, random);
    return node;
}

static u64 compute(i32 rounds) {
    u64 random = 77, checksum = 0;
    i32 variables[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    used = 0;
    const Node *root = grow(DEPTH, &random);
    for (i32 i = 0; i < rounds; i++) {
        variables[i & 7] += i;
        checksum = mix(checksum, (u32)root->value(root, variables));
    }
    return checksum;
}

EXPORT(run) i64 run(i32 n) {
    return (i64)compute(n);
}

EXPORT(expressions) i32 expressions(i32 rounds) {
    return (i32)compute(rounds);
}
