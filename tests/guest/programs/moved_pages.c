/* Moves clean pages of FILE with mremap while there is no free frame: the tables that this needs are made of frames that are
 * taken back, from the very pages that are being moved. Page n of FILE begins with n + 1. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "resident.h"

#define PAGE 4096ul
#define PAGES 128
#define ROUNDS 100
#define FILE_PAGES 2048
#define LEFT 1900 /* frames, for the pages of the file and for what the rounds use up */

static unsigned long number_in(const char *path, const char *name)
{
    static char text[4096];
    int file = open(path, O_RDONLY);
    text[read(file, text, sizeof text - 1)] = 0;
    close(file);
    return strtoul(strstr(text, name) + strlen(name), NULL, 10);
}

static unsigned long free_frames(void) { return number_in("/proc/meminfo", "MemFree:") / 4; }

int main(int argc, char **argv)
{
    (void)argc;
    int file = open(argv[1], O_RDONLY);
    char *eaten = mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *room = mmap(NULL, (ROUNDS + 2ul) << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    madvise(eaten, 1ul << 30, MADV_NOHUGEPAGE);
    while (free_frames() > LEFT)
        madvise(eaten, 64 * PAGE, MADV_POPULATE_WRITE), eaten += 64 * PAGE;
    for (unsigned long i = 0; i < FILE_PAGES; i++) {
        static char page[PAGE];
        pread(file, page, PAGE, i * PAGE);
    }
    char *at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    unsigned long wrong = 0, failed = 0, counted = 0, shown = 0;
    for (unsigned long round = 0; round < ROUNDS; round++) {
        for (unsigned long i = 0; i < PAGES; i++)
            wrong += *(volatile unsigned long *)(at + i * PAGE) != i + 1;
        madvise(eaten, PAGE, MADV_POPULATE_WRITE), eaten += PAGE; /* so that it is a table that meets the last one */
        char *to = mremap(at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + ((round + 1) << 30));
        if (to == MAP_FAILED)
            failed++;
        else
            at = to;
        /* Nothing else is asked here: it would be what meets the last frame. */
    }
    unsigned long left = free_frames();
    for (int again = 0; again < 2; again++) /* the first brings in what it needs */
        counted = resident() * 4, shown = number_in("/proc/self/smaps_rollup", "Rss:");
    printf("wrong %lu failed %lu miscounted %ld short of memory %d\n", wrong, failed, (long)(counted - shown), left < 100);
    return 0;
}
