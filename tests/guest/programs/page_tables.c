/* Page tables come and go with what they map, and what that costs does not depend on how large the
 * hole is that is left. Run with a clock that counts instructions.
 *
 * Two pages are mapped, written and unmapped: within the 2 MiB of a neighbour that stays, across
 * two of them, across two GiB and across two times 512 GiB, far from everything else. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096ul
#define ROUNDS 50

static long tables(void)
{
    char line[200];
    long kib = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    while (fgets(line, sizeof line, file)) sscanf(line, "PageTables: %ld", &kib);
    fclose(file);
    return kib / 4;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static char *map(uint64_t address, unsigned long pages)
{
    char *p = mmap((void *)address, pages * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED) { perror("mmap"); exit(1); }
    return p;
}

static int order(const void *a, const void *b)
{
    return *(uint64_t *)a < *(uint64_t *)b ? -1 : 1;
}

static void across(const char *name, uint64_t boundary)
{
    uint64_t took[ROUNDS];
    long before = tables(), used = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = now();
        char *p = map(boundary - PAGE, 2);
        p[0] = p[PAGE] = 1;
        took[i] = now() - start;
        if (i == 0) used = tables() - before;
        start = now();
        munmap(p, 2 * PAGE);
        took[i] += now() - start;
    }
    qsort(took, ROUNDS, sizeof *took, order);
    printf("%s: %ld tables, %ld left, %lu\n", name, used, tables() - before, took[ROUNDS / 2]);
}

int main(void)
{
    char *neighbour = map(0x100000000000, 1);
    *neighbour = 1;
    tables();                               /* what reading the file takes is there now */
    across("beside", 0x100000000000 + 16 * PAGE);
    across("2 MiB", 0x200000600000);
    across("1 GiB", 0x2000c0000000);
    across("512 GiB", 0x208000000000);

    /* A table that two neighbours share goes with the last of them, whichever that is. */
    for (int last = 0; last < 2; last++) {
        long before = tables();
        char *two = map(0x300000200000 - PAGE, 3);
        two[0] = two[PAGE] = two[2 * PAGE] = 1;
        munmap(two + PAGE, PAGE);
        long with = tables() - before;
        munmap(last ? two : two + 2 * PAGE, PAGE);
        long one = tables() - before;
        munmap(last ? two + 2 * PAGE : two, PAGE);
        printf("neighbours: %ld, %ld, %ld\n", with, one, tables() - before);
    }
    return 0;
}
