/* Locks pages of a file and a large page, uses up the rest of memory, and looks what stayed: kept_pages FILE PAGES */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#define PAGE 4096l
#define KEPT 512
#define LARGE (512 * PAGE)

static int resident(char *from)
{
    unsigned char found[KEPT];
    int sum = 0;
    mincore(from, KEPT * PAGE, found);
    for (int page = 0; page < KEPT; page++)
        sum += found[page] & 1;
    return sum;
}

static unsigned long free_bytes(void)
{
    struct sysinfo info;
    sysinfo(&info);
    return info.freeram * info.mem_unit;
}

int main(int count, char **words)
{
    long pages = atol(words[2]);
    (void)count;
    char *file = mmap(NULL, pages * PAGE, PROT_READ, MAP_PRIVATE, open(words[1], O_RDONLY), 0);
    char *area = mmap(NULL, 2 * LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *large = (char *)(((unsigned long)area + LARGE - 1) & ~(LARGE - 1));
    printf("locked %d %d\n", mlock(file, KEPT * PAGE), mlock(large, LARGE));
    for (long page = 0; page < pages; page++)
        (void)*(volatile char *)(file + page * PAGE);
    unsigned long room = free_bytes() + (2 << 20); /* the cache has more than that to give */
    char *used = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(used, room, MADV_NOHUGEPAGE);
    for (unsigned long done = 0; done < room; done += PAGE) {
        used[done] = 1;
        if (done % (1 << 20) == 0)
            for (long page = KEPT; page < pages; page++)
                (void)*(volatile char *)(file + page * PAGE);
    }
    printf("kept %d %d\n", resident(file), resident(large));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("waited %d\n", usage.ru_majflt >= pages / 64 && usage.ru_minflt > usage.ru_majflt / 64);
    return 0;
}
