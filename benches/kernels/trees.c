// Binary search trees that grow and shrink all the time, with an allocator of their own: allocations and releases of small
// blocks of a few sizes, and pointers followed down to the leaves.
//
// The allocator has a list of free blocks for each size class, and cuts new ones from an arena when a list is empty. The
// trees are treaps: ordered by key, and by a random priority as a heap, which keeps them flat. Each node ends in a few words
// that belong to it, so that nodes differ in size.
#include "kernel.h"

// ---- The allocator

#define ARENA_SIZE (1u << 20)
#define GRANULE 16u
#define CLASSES 8u

typedef struct FreeBlock {
    struct FreeBlock *next;
} FreeBlock;

static _Alignas(16) u8 arena[ARENA_SIZE];
static u32 arena_used;
static FreeBlock *free_blocks[CLASSES];
static i32 blocks_in_use;

static void release_everything(void) {
    arena_used = 0;
    blocks_in_use = 0;
    for (u32 i = 0; i < CLASSES; i++) {
        free_blocks[i] = 0;
    }
}

static inline u32 class_of(u32 size) {
    return (size - 1) / GRANULE;
}

// A block of so many bytes, up to 128, or null when the arena is full.
NOINLINE static void *allocate(u32 size) {
    u32 class = class_of(size);
    FreeBlock *block = free_blocks[class];
    if (block != 0) {
        free_blocks[class] = block->next;
    } else {
        u32 needed = (class + 1) * GRANULE;
        if (ARENA_SIZE - arena_used < needed) {
            return 0;
        }
        block = (FreeBlock *)&arena[arena_used];
        arena_used += needed;
    }
    blocks_in_use++;
    return block;
}

NOINLINE static void release(void *block, u32 size) {
    u32 class = class_of(size);
    FreeBlock *freed = block;
    freed->next = free_blocks[class];
    free_blocks[class] = freed;
    blocks_in_use--;
}

// ---- The trees

typedef struct Node {
    struct Node *left, *right;
    u32 key;
    u32 priority;
    u32 words;
    u32 word[];
} Node;

typedef struct {
    Node *first, *second;
} Pair;

static inline u32 size_of(u32 words) {
    return (u32)sizeof(Node) + words * 4;
}

static Node *new_node(u32 key, u64 bits) {
    u32 words = bits & 15;
    Node *node = allocate(size_of(words));
    if (node != 0) {
        *node = (Node){.key = key, .priority = (u32)(bits >> 32), .words = words};
        for (u32 i = 0; i < words; i++) {
            node->word[i] = key + i;
        }
    }
    return node;
}

// Cuts a tree in two: the keys below a limit, and the others.
static Pair cut(Node *tree, u32 limit) {
    if (tree == 0) {
        return (Pair){0, 0};
    }
    if (tree->key < limit) {
        Pair parts = cut(tree->right, limit);
        tree->right = parts.first;
        return (Pair){tree, parts.second};
    }
    Pair parts = cut(tree->left, limit);
    tree->left = parts.second;
    return (Pair){parts.first, tree};
}

// Joins two trees, of which the first has the lower keys.
static Node *join(Node *low, Node *high) {
    if (low == 0 || high == 0) {
        return low == 0 ? high : low;
    }
    if (low->priority > high->priority) {
        low->right = join(low->right, high);
        return low;
    }
    high->left = join(low, high->left);
    return high;
}

// Puts a node in, unless the tree has its key already.
static void insert(Node **tree, u32 key, u64 bits) {
    u32 priority = (u32)(bits >> 32);
    Node **at = tree;
    while (*at != 0 && (*at)->priority >= priority) {
        if ((*at)->key == key) {
            return;
        }
        at = key < (*at)->key ? &(*at)->left : &(*at)->right;
    }
    for (Node *below = *at; below != 0; below = key < below->key ? below->left : below->right) {
        if (below->key == key) {
            return;
        }
    }
    Node *node = new_node(key, bits);
    if (node != 0) {
        Pair parts = cut(*at, key);
        node->left = parts.first;
        node->right = parts.second;
        *at = node;
    }
}

// Takes the node with a key out; returns the sum of its words, or 0 if there was none.
static u32 take(Node **tree, u32 key) {
    Node **at = tree;
    while (*at != 0 && (*at)->key != key) {
        at = key < (*at)->key ? &(*at)->left : &(*at)->right;
    }
    Node *node = *at;
    u32 total = 0;
    if (node != 0) {
        *at = join(node->left, node->right);
        for (u32 i = 0; i < node->words; i++) {
            total += node->word[i];
        }
        release(node, size_of(node->words));
    }
    return total;
}

// Releases all nodes in order; returns a checksum of their keys.
static u64 clear(Node *tree, u64 sum) {
    if (tree == 0) {
        return sum;
    }
    sum = mix(clear(tree->left, sum), tree->key);
    sum = clear(tree->right, sum);
    release(tree, size_of(tree->words));
    return sum;
}

// ---- The two exports

// Builds a tree of 256 random keys, replaces half of it, and takes it down again; so many times.
static u64 grow(i32 trees, u64 sum) {
    u64 random = 0x718bcd5882154aeeu;
    release_everything();
    for (i32 i = 0; i < trees; i++) {
        Node *tree = 0;
        u32 taken = 0;
        for (i32 j = 0; j < 256; j++) {
            u64 bits = next_random(&random);
            insert(&tree, bits >> 8 & 1023, bits);
        }
        for (i32 j = 0; j < 256; j++) {
            u64 bits = next_random(&random);
            taken += take(&tree, bits >> 8 & 1023);
            insert(&tree, bits >> 18 & 1023, bits);
        }
        sum = mix(sum, (u64)taken << 32 | (u32)blocks_in_use);
        sum = clear(tree, sum);
    }
    return sum;
}

// A number of 24 bits that tells what was in so many trees, or -1 if a block was not given back.
EXPORT(trees) i32 trees(i32 count) {
    u64 sum = grow(count, 0);
    return blocks_in_use != 0 ? -1 : (i32)(sum & 0xffffff);
}

// So many trees.
EXPORT(run) i64 run(i32 n) {
    return (i64)grow(n, 0);
}
