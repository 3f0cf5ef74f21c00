/* The benchmark's functions in C, for comparison with kernel_functions.py.
 *
 * Compiled twice: with CHECKED the additions, conversions and indexes are tested as kernel Python tests them, and a
 * failed test is a trap; without, it is the C that one would write. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

void *krait_allocate(u64 size);
void krait_free(void *memory, u64 size);

#ifdef CHECKED
#define ENTRY(name) u64 checked_##name(u64 rounds)
#define FAIL() __builtin_trap()
#define ADD(a, b) ({ __typeof__(a) r_; if (__builtin_expect(__builtin_add_overflow((a), (b), &r_), 0)) FAIL(); r_; })
#define SUB(a, b) ({ __typeof__(a) r_; if (__builtin_expect(__builtin_sub_overflow((a), (b), &r_), 0)) FAIL(); r_; })
#define MUL(a, b) ({ __typeof__(a) r_; if (__builtin_expect(__builtin_mul_overflow((a), (b), &r_), 0)) FAIL(); r_; })
#define CHECK(c) do { if (__builtin_expect(!(c), 0)) FAIL(); } while (0)
#else
#define ENTRY(name) u64 plain_##name(u64 rounds)
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define CHECK(c) do { } while (0)
#endif
/* s: a slice, i: an index */
#define AT(s, i) (*({ u64 i_ = (i); CHECK(i_ < (s).length); &(s).data[i_]; }))

#define SLICE(T) struct { T *data; u64 length; }
typedef SLICE(u8) bytes;
typedef SLICE(u64) words64;
typedef SLICE(u32) words32;
typedef struct { const u8 *data; u64 length; } text;

enum { PACKET = 1500, WORDS = 512, SLOTS = 1024, NODES = 256 };

static struct {
    u8 packet[PACKET], copy[PACKET];
    u64 words[WORDS];
    u32 sorted[WORDS];
    u64 bitmap[64], keys[SLOTS], values[SLOTS];
    u8 digits[24];
} memory;
#define OF(field) { memory.field, sizeof memory.field / sizeof memory.field[0] }

static u64 next_random(u64 state)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^ state << 17;
}

ENTRY(start)
{
    (void)rounds;
    u64 state = 88172645463325252;
    for (int i = 0; i < PACKET; i++) {
        state = next_random(state);
        memory.packet[i] = (u8)state;
    }
    for (int i = 0; i < WORDS; i++) {
        state = next_random(state);
        memory.words[i] = state >> 12;
    }
    return state;
}

static u16 checksum(bytes s)
{
    u32 total = 0;
    for (u64 i = 0; i < s.length; i += 2)
        total = ADD(total, (u32)AT(s, i) << 8 | (u32)AT(s, i + 1));
    while (total >> 16)
        total = (total & 0xFFFF) + (total >> 16);
    CHECK(total <= 0xFFFF);
    return (u16)~total;
}

ENTRY(checksum)
{
    bytes packet = OF(packet);
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++)
        total = ADD(total, checksum(packet));
    return total;
}

static u64 sum_words(words64 s)
{
    u64 total = 0;
    for (u64 i = 0; i < s.length; i++)
        total = ADD(total, s.data[i]);
    return total;
}

ENTRY(sum)
{
    words64 words = OF(words);
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++)
        total += sum_words(words);
    return total;
}

struct ring {
    u64 head, tail;
    u8 data[256];
};
static struct ring ring;

static bool push(struct ring *r, u8 byte)
{
    if (SUB(r->tail, r->head) == 256)
        return false;
    r->data[r->tail & 255] = byte;
    r->tail = ADD(r->tail, 1);
    return true;
}

static u8 pop(struct ring *r)
{
    u8 byte = r->data[r->head & 255];
    r->head = ADD(r->head, 1);
    return byte;
}

ENTRY(ring)
{
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++)
        for (int j = 0; j < PACKET; j++)
            if (!push(&ring, memory.packet[j]))
                while (ring.head != ring.tail)
                    total = ADD(total, pop(&ring));
    return total;
}

static u64 slot_of(u64 key) { return key * 0x9E3779B97F4A7C15 >> 54; }

static void insert(words64 keys, words64 values, u64 key, u64 value)
{
    u64 slot = slot_of(key);
    while (AT(keys, slot) != 0 && AT(keys, slot) != key)
        slot = ADD(slot, 1) & (SLOTS - 1);
    AT(keys, slot) = key;
    AT(values, slot) = value;
}

static u64 lookup(words64 keys, words64 values, u64 key)
{
    u64 slot = slot_of(key);
    while (AT(keys, slot) != 0) {
        if (AT(keys, slot) == key)
            return AT(values, slot);
        slot = ADD(slot, 1) & (SLOTS - 1);
    }
    return 0;
}

ENTRY(hash)
{
    words64 keys = OF(keys), values = OF(values);
    u64 found = 0;
    for (u64 i = 0; i < rounds; i++) {
        memset(keys.data, 0, sizeof memory.keys);
        for (int j = 0; j < WORDS; j++)
            insert(keys, values, memory.words[j], memory.words[j] >> 1);
        for (int j = 0; j < WORDS; j++)
            found = ADD(found, lookup(keys, values, memory.words[j]) & 1);
    }
    return found;
}

static u32 crc_table[256];

static u32 crc32(bytes s, u32 start)
{
    u32 value = ~start;
    for (u64 i = 0; i < s.length; i++)
        value = crc_table[(value ^ s.data[i]) & 0xFF] ^ value >> 8;
    return ~value;
}

ENTRY(crc32)
{
    bytes packet = OF(packet);
    if (crc_table[1] == 0)
        for (u32 i = 0; i < 256; i++) {
            u32 value = i;
            for (int j = 0; j < 8; j++)
                value = value >> 1 ^ (value & 1 ? 0xEDB88320 : 0);
            crc_table[i] = value;
        }
    u32 value = 0;
    for (u64 i = 0; i < rounds; i++)
        value = crc32(packet, value);
    return value;
}

struct radix_node {
    struct radix_node *children[16];
    u64 value;
};
static struct radix_tree {
    struct radix_node root, nodes[NODES];
    u64 used;
} radix;

static void radix_insert(struct radix_tree *tree, u32 key, u64 value)
{
    struct radix_node *node = &tree->root;
    u32 shift = 12;
    while (shift > 0) {
        shift -= 4;
        struct radix_node *child = node->children[key >> shift & 15];
        if (child == NULL) {
            if (tree->used == NODES)
                return;
            CHECK(tree->used < NODES);
            child = &tree->nodes[tree->used];
            tree->used = ADD(tree->used, 1);
            node->children[key >> shift & 15] = child;
        }
        node = child;
    }
    node->value = value;
}

static u64 radix_lookup(struct radix_node *node, u32 key)
{
    u32 shift = 12;
    while (shift > 0) {
        shift = SUB(shift, 4);
        CHECK(shift < 32);
        node = node->children[key >> shift & 15];
        if (node == NULL)
            return 0;
    }
    return node->value;
}

ENTRY(radix)
{
    if (radix.used == 0)
        for (int j = 0; j < WORDS; j++)
            radix_insert(&radix, (u32)memory.words[j] & 0xFFF, memory.words[j]);
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++)
        for (int j = 0; j < WORDS; j++)
            total += radix_lookup(&radix.root, (u32)memory.words[j] & 0xFFF);
    return total;
}

struct tree_node {
    u64 key, priority;
    struct tree_node *left, *right;
};
static struct treap {
    struct tree_node *root, nodes[WORDS];
    u64 used;
} treap;

static struct tree_node *tree_insert(struct tree_node *root, struct tree_node *node)
{
    if (root == NULL)
        return node;
    if (node->key < root->key) {
        struct tree_node *left = tree_insert(root->left, node);
        root->left = left;
        if (left->priority > root->priority) {
            root->left = left->right;
            left->right = root;
            return left;
        }
        return root;
    }
    struct tree_node *right = tree_insert(root->right, node);
    root->right = right;
    if (right->priority > root->priority) {
        root->right = right->left;
        right->left = root;
        return right;
    }
    return root;
}

static u64 tree_depth(struct tree_node *node, u64 key)
{
    u64 depth = 0;
    while (node != NULL && node->key != key) {
        node = key < node->key ? node->left : node->right;
        depth = ADD(depth, 1);
    }
    return depth;
}

ENTRY(tree)
{
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++) {
        treap.root = NULL;
        treap.used = 0;
        for (int j = 0; j < WORDS; j++) {
            CHECK(treap.used < WORDS);
            struct tree_node *node = &treap.nodes[treap.used];
            treap.used = ADD(treap.used, 1);
            node->key = memory.words[j];
            node->priority = memory.words[j] * 0x9E3779B97F4A7C15;
            node->left = node->right = NULL;
            treap.root = tree_insert(treap.root, node);
        }
        for (int j = 0; j < WORDS; j++)
            total = ADD(total, tree_depth(treap.root, memory.words[j]));
    }
    return total;
}

struct name {
    text name;
    u32 parent, number;
    struct name *next;
};
#define TEXT(s) { (const u8 *)s, sizeof s - 1 }
static const text path = TEXT("/usr/lib/python3.11/lib-dynload/../encodings/utf_8.py");
static const text names[16] = {
    TEXT("usr"), TEXT("lib"), TEXT("python3.11"), TEXT("lib-dynload"), TEXT(".."), TEXT("encodings"), TEXT("utf_8.py"),
    TEXT("bin"), TEXT("etc"), TEXT("share"), TEXT("doc"), TEXT("include"), TEXT("sbin"), TEXT("home"), TEXT("tmp"), TEXT("var"),
};
static struct name entries[16];
static struct name *buckets[64];

static u32 hash_name(u32 parent, text name)
{
    u32 value = parent ^ 2166136261u;
    for (u64 i = 0; i < name.length; i++)
        value = (value ^ name.data[i]) * 16777619u;
    return value & 63;
}

static struct name *find(u32 parent, text name)
{
    struct name *entry = buckets[hash_name(parent, name)];
    while (entry != NULL) {
        if (entry->parent == parent && entry->name.length == name.length
            && memcmp(entry->name.data, name.data, name.length) == 0)
            return entry;
        entry = entry->next;
    }
    return NULL;
}

static int walk(text path, u32 *result)
{
    u32 here = 0;
    u64 start = 0;
    while (start < path.length) {
        if (AT(path, start) == '/') {
            start = ADD(start, 1);
            continue;
        }
        u64 stop = start;
        while (stop < path.length && AT(path, stop) != '/')
            stop = ADD(stop, 1);
        CHECK(start <= stop && stop <= path.length);
        text part = { path.data + start, stop - start };
        struct name *entry = find(here, part);
        if (entry == NULL)
            return -2;
        here = entry->number;
        start = stop;
    }
    *result = here;
    return 0;
}

ENTRY(path)
{
    for (u32 i = 0; i < 64; i++)
        buckets[i] = NULL;
    for (u32 i = 0; i < 16; i++) {
        u32 bucket = hash_name(i, names[i]);
        entries[i] = (struct name){ names[i], i, i + 1, buckets[bucket] };
        buckets[bucket] = &entries[i];
    }
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++) {
        u32 number;
        if (walk(path, &number) != 0)
            return 0;
        total = ADD(total, number);
    }
    return total;
}

static void copy_plus(bytes into, bytes data)
{
    for (u64 i = 0; i < data.length; i++)
        AT(into, i) = (u8)(data.data[i] + 1);
}

ENTRY(copy)
{
    bytes copy = OF(copy), packet = OF(packet);
    for (u64 i = 0; i < rounds; i++)
        copy_plus(copy, packet);
    return memory.copy[7];
}

ENTRY(move)
{
    for (u64 i = 0; i < rounds; i++) {
        memset(memory.copy, 3, PACKET);
        memmove(memory.copy, memory.packet + 500, 1000);
    }
    return (u64)memory.copy[999] + memory.copy[1000];
}

static u64 allocate_bit(words64 s)
{
    for (u64 i = 0; i < s.length; i++) {
        u64 word = s.data[i];
        if (~word != 0) {
            u64 bit = (u64)__builtin_ctzll(~word);
            s.data[i] = word | 1ull << bit;
            return ADD(MUL(i, 64), bit);
        }
    }
    return s.length * 64;
}

static void free_bit(words64 s, u64 bit) { AT(s, bit / 64) &= ~(1ull << bit % 64); }

ENTRY(bitmap)
{
    words64 bitmap = OF(bitmap);
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++) {
        for (int j = 0; j < 3000; j++)
            total = ADD(total, allocate_bit(bitmap));
        for (u64 bit = 0; bit < 3000; bit++)
            free_bit(bitmap, bit);
    }
    return total;
}

static u64 decimal(bytes into, u64 number)
{
    u64 at = into.length;
    for (;;) {
        at = SUB(at, 1);
        AT(into, at) = (u8)('0' + number % 10);
        number /= 10;
        if (number == 0)
            return SUB(into.length, at);
    }
}

ENTRY(decimal)
{
    bytes digits = OF(digits);
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++)
        for (int j = 0; j < WORDS; j++)
            total = ADD(total, decimal(digits, memory.words[j]));
    return total;
}

static void sift_down(words32 s, u64 start, u64 stop)
{
    u64 parent = start;
    while (ADD(MUL(parent, 2), 1) < stop) {
        u64 child = ADD(MUL(parent, 2), 1);
        if (ADD(child, 1) < stop && AT(s, child) < AT(s, ADD(child, 1)))
            child = ADD(child, 1);
        if (AT(s, parent) >= AT(s, child))
            return;
        u32 value = AT(s, parent);
        AT(s, parent) = AT(s, child);
        AT(s, child) = value;
        parent = child;
    }
}

static void heap_sort(words32 s)
{
    u64 count = s.length, start = count / 2;
    while (start > 0) {
        start = SUB(start, 1);
        sift_down(s, start, count);
    }
    while (count > 1) {
        count = SUB(count, 1);
        u32 largest = AT(s, 0);
        AT(s, 0) = AT(s, count);
        AT(s, count) = largest;
        sift_down(s, 0, count);
    }
}

ENTRY(sort)
{
    words32 sorted = OF(sorted);
    for (u64 i = 0; i < rounds; i++) {
        for (int j = 0; j < WORDS; j++)
            memory.sorted[j] = (u32)memory.words[j];
        heap_sort(sorted);
    }
    return memory.sorted[100];
}

struct shape {
    u32 (*const *methods)(struct shape *);
    u32 width;
};

static u32 square_area(struct shape *s) { return MUL(s->width, s->width); }
static u32 strip_area(struct shape *s) { return s->width; }
static u32 (*const square_methods[])(struct shape *) = { square_area };
static u32 (*const strip_methods[])(struct shape *) = { strip_area };
static struct shape shapes[64];
static struct shape *shape_list[64];

ENTRY(virtual)
{
    for (u32 i = 0; i < 64; i++) {
        shapes[i] = (struct shape){ i % 3 == 0 ? square_methods : strip_methods, i };
        shape_list[i] = &shapes[i];
    }
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++)
        for (int j = 0; j < 64; j++)
            total = ADD(total, shape_list[j]->methods[0](shape_list[j]));
    return total;
}

struct link {
    u32 count;
    u64 value;
    struct link *next;
};

static void release(struct link *link)
{
    if (link != NULL && --link->count == 0) {
        release(link->next);
        krait_free(link, sizeof *link);
    }
}

static int build_list(u64 count, struct link **result)
{
    struct link *first = NULL;
    for (u64 i = 0; i < count; i++) {
        struct link *link = krait_allocate(sizeof *link);
        if (link == NULL) {
            release(first);
            return -12;
        }
        *link = (struct link){ 1, i, first };
        first = link;
    }
    *result = first;
    return 0;
}

static u64 sum_list(struct link *link)
{
    u64 total = 0;
    for (; link != NULL; link = link->next)
        total = ADD(total, link->value);
    return total;
}

ENTRY(list)
{
    u64 total = 0;
    for (u64 i = 0; i < rounds; i++) {
        struct link *first;
        if (build_list(100, &first) != 0)
            return 0;
        total = ADD(total, sum_list(first));
        release(first);
    }
    return total;
}
