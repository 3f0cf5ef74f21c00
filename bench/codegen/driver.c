/* Times every function in its three forms and prints nanoseconds for one round, as JSON lines. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint64_t u64;
typedef u64 entry(u64 rounds);

#define FUNCTIONS(X) X(checksum) X(sum) X(ring) X(hash) X(crc32) X(radix) X(tree) X(path) X(copy) X(move) X(bitmap) \
    X(decimal) X(sort) X(virtual) X(list)
#define DECLARE(name) entry python_##name, checked_##name, plain_##name;
FUNCTIONS(DECLARE)
DECLARE(start)
#define ROW(name) { #name, { python_##name, checked_##name, plain_##name } },
static const struct { const char *name; entry *forms[3]; } table[] = { FUNCTIONS(ROW) };

/* The kernel's slabs are not what is measured: a free list of blocks of one size, the same for all forms. */
static struct block { struct block *next; } *free_blocks;

void *krait_allocate(u64 size)
{
    struct block *block = free_blocks;
    if (block == NULL)
        return calloc(1, 64);
    free_blocks = block->next;
    return __builtin_memset(block, 0, size);
}

void krait_free(void *memory, u64 size)
{
    (void)size;
    struct block *block = memory;
    block->next = free_blocks;
    free_blocks = block;
}

void krait_log_open(uint32_t level) { (void)level; }
void krait_log_text(const uint8_t *text, u64 length) { fwrite(text, 1, length, stderr); }
void krait_log_number(u64 value, uint32_t format) { (void)format; fprintf(stderr, "%" PRIu64, value); }
void krait_log_close(void) { fputc('\n', stderr); }
void krait_panic_stop(void) { abort(); }
u64 krait_user_copy(void *to, const void *from, u64 size) { memcpy(to, from, size); return 0; }
u64 krait_user_copy_nofault(void *to, const void *from, u64 size) { return krait_user_copy(to, from, size); }

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

enum { REPEATS = 25 };

int main(void)
{
    python_start(0), checked_start(0), plain_start(0);
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        u64 results[3], rounds = 1;
        for (int form = 0; form < 3; form++)
            results[form] = table[i].forms[form](3);
        if (results[0] != results[1] || results[1] != results[2]) {
            fprintf(stderr, "%s: the forms disagree: %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", table[i].name, results[0],
                    results[1], results[2]);
            return 1;
        }
        for (double took = 0; took < 1e6; rounds *= 2) { /* about a millisecond for one measurement */
            double start = now();
            table[i].forms[1](rounds);
            took = now() - start;
        }
        double best[3] = { 1e18, 1e18, 1e18 };
        for (int repeat = 0; repeat < REPEATS; repeat++) /* interleaved, so that noise hits all alike */
            for (int form = 0; form < 3; form++) {
                double start = now();
                table[i].forms[form](rounds);
                double took = (now() - start) / (double)rounds;
                if (took < best[form])
                    best[form] = took;
            }
        printf("{\"name\": \"%s\", \"python\": %.2f, \"checked\": %.2f, \"plain\": %.2f}\n", table[i].name, best[0], best[1],
               best[2]);
    }
    return 0;
}
