/* Random mmap, munmap, mprotect, mremap, madvise and brk against a model of what every page holds. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 600

enum { NOTHING, MAPPED };
struct page {
    int state, protection;
    uint32_t value; /* 0: zeros */
};

static struct page model[2 * PAGES];
static char *area;
static uint64_t seed;
static int file;

static uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % n;
}

static void fail(const char *what, int page)
{
    printf("wrong: %s at page %d, errno %d\n", what, page, errno);
    exit(1);
}

static void put(int page)
{
    if (model[page].state != MAPPED || !(model[page].protection & PROT_WRITE))
        return;
    uint32_t value = dice(1 << 30) + 1;
    *(volatile uint32_t *)(area + (long)page * PAGE) = value;
    *(volatile uint32_t *)(area + (long)page * PAGE + PAGE - 4) = ~value;
    model[page].value = value;
}

static void check(int page)
{
    if (model[page].state != MAPPED || model[page].protection == PROT_NONE)
        return;
    uint32_t first = *(volatile uint32_t *)(area + (long)page * PAGE);
    uint32_t last = *(volatile uint32_t *)(area + (long)page * PAGE + PAGE - 4);
    uint32_t value = model[page].value;
    if (first != value || last != (value ? ~value : 0))
        fail("content", page);
}

static void set(int first, int count, int state, int protection)
{
    for (int i = first; i < first + count; i++)
        model[i] = (struct page){state, protection, 0};
}

static int random_protection(void)
{
    static const int choices[] = {PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE};
    return choices[dice(4)];
}

static int whole(int first, int count)
{
    for (int i = first; i < first + count; i++)
        if (model[i].state != MAPPED)
            return 0;
    return 1;
}

static void step(void)
{
    int first = dice(PAGES), count = 1 + dice(dice(4) ? 8 : 200);
    if (first + count > PAGES)
        count = PAGES - first;
    char *at = area + (long)first * PAGE;
    size_t length = (size_t)count * PAGE;
    int protection = random_protection();
    switch (dice(8)) {
    case 0:
    case 1:
        if (mmap(at, length, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
            fail("mmap", first);
        set(first, count, MAPPED, protection);
        break;
    case 2:
        if (munmap(at, length))
            fail("munmap", first);
        set(first, count, NOTHING, 0);
        break;
    case 3:
        if (!whole(first, count))
            break;
        if (mprotect(at, length, protection))
            fail("mprotect", first);
        for (int i = first; i < first + count; i++)
            model[i].protection = protection;
        break;
    case 4:
        if (!whole(first, count))
            break;
        if (madvise(at, length, MADV_DONTNEED))
            fail("madvise", first);
        for (int i = first; i < first + count; i++)
            model[i].value = 0;
        break;
    case 5: { /* move to the second half and back, through a fresh mapping so that it is one */
        if (mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
            fail("mmap", first);
        set(first, count, MAPPED, PROT_READ | PROT_WRITE);
        for (int i = 0; i < 4; i++)
            put(first + dice(count));
        char *other = area + (long)(PAGES + dice(PAGES - count + 1)) * PAGE;
        if (mremap(at, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, other) != other)
            fail("mremap", first);
        if (mremap(other, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
            fail("mremap back", first);
        break;
    }
    case 6: { /* a private mapping of a file: zeros, and writes stay here */
        if (mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) != at)
            fail("mmap of a file", first);
        set(first, count, MAPPED, PROT_READ | PROT_WRITE);
        break;
    }
    default:
        for (int i = 0; i < 16; i++)
            put(dice(PAGES));
    }
    for (int i = 0; i < 12; i++)
        check(dice(PAGES));
}

int main(int count, char **words)
{
    seed = count > 1 ? strtoull(words[1], NULL, 0) * 0x9E3779B97F4A7C15 + 1 : 1;
    int steps = count > 2 ? atoi(words[2]) : 2000;
    char name[] = "/tmp/mappings-XXXXXX";
    file = mkstemp(name);
    unlink(name);
    if (ftruncate(file, (long)PAGES * PAGE))
        fail("ftruncate", 0);
    area = mmap(NULL, 2L * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set(0, PAGES, MAPPED, PROT_NONE);
    for (int i = 0; i < steps; i++) {
        step();
        if (dice(50) == 0) {
            char *end = sbrk(PAGE * (long)dice(40));
            memset(end, 1, (char *)sbrk(0) - end);
            brk(end);
        }
    }
    for (int i = 0; i < PAGES; i++)
        check(i);
    puts("right");
    return 0;
}
