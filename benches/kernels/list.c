// Linked lists whose nodes lie in no order: each load has to wait for the one before it.
//
// Walks along a ring of nodes that was shuffled, lifts nodes out of it and puts them in elsewhere, and turns stretches of
// it around. The nodes take more than a first-level cache and less than a second-level one.
#include "kernel.h"

#define NODES 4096u

typedef struct Node {
    struct Node *next;
    u64 value;
} Node;

static Node nodes[NODES];

// Links all nodes to one ring: each next one is drawn from those that are not in it yet.
static Node *link_ring(u64 *random) {
    static u16 rest[NODES];
    for (u32 i = 0; i < NODES; i++) {
        rest[i] = (u16)i;
        nodes[i].value = i * 0x9e3779b9u;
    }
    Node *last = &nodes[0];
    for (u32 left = NODES - 1; left > 0; left--) {
        u32 drawn = 1 + next_random_below(random, left);
        Node *node = &nodes[rest[drawn]];
        rest[drawn] = rest[left];
        last->next = node;
        last = node;
    }
    last->next = &nodes[0];
    return &nodes[0];
}

// Takes so many steps and adds up what lies on the way.
NOINLINE static Node *walk(Node *at, u32 steps, u64 *total) {
    u64 values = 0;
    for (u32 i = 0; i < steps; i++) {
        values += at->value;
        at = at->next;
    }
    *total += values;
    return at;
}

// Goes on to the first node with a value below a limit, but no more than so many steps, and counts them into the node.
NOINLINE static Node *seek(Node *at, u64 limit, u32 most_steps) {
    u32 steps = 0;
    while (steps < most_steps && at->value >= limit) {
        at = at->next;
        steps++;
    }
    at->value ^= steps;
    return at;
}

// Lifts out the node after `from` and puts it in after `to`.
NOINLINE static void move(Node *from, Node *to) {
    Node *node = from->next;
    if (node != to && from != to) {
        from->next = node->next;
        node->next = to->next;
        to->next = node;
    }
}

// Turns around the so many nodes that follow `before`; returns the last of them.
NOINLINE static Node *reverse(Node *before, u32 count) {
    Node *first = before->next;
    Node *done = first;
    Node *at = first->next;
    for (u32 i = 1; i < count; i++) {
        Node *next = at->next;
        at->next = done;
        done = at;
        at = next;
    }
    before->next = done;
    first->next = at;
    return first;
}

// So many rounds of some 350 steps each, three in four of them plain.
static u64 go_round(i32 rounds) {
    u64 random = 0x0d95748f728eb658u;
    u64 sum = 0;
    Node *at = link_ring(&random);
    for (i32 round = 0; round < rounds; round++) {
        u64 total = 0;
        u64 bits = next_random(&random);
        Node *before = at;
        at = walk(at, 192 + (bits & 127), &total);
        move(before, at);
        at = seek(at, bits >> 40, 64);
        at = reverse(at, 2 + (bits >> 8 & 63));
        sum = mix(sum, total ^ (u64)(at - nodes));
    }
    return sum;
}

// How many nodes are in the ring after so many rounds.
EXPORT(list) i32 list(i32 rounds) {
    go_round(rounds);
    i32 count = 1;
    for (Node *at = nodes[0].next; at != &nodes[0]; at = at->next) {
        count++;
    }
    return count;
}

// So many rounds.
EXPORT(run) i64 run(i32 n) {
    return (i64)go_round(n);
}
