/* Reads a file of which one page cannot be read, by mapping and by call: bad_sector FILE PAGES BAD */
#include "show.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096L

static sigjmp_buf back;

static void on_fault(int number)
{
    siglongjmp(back, number);
}

int main(int count, char **words)
{
    int file = open(words[1], O_RDONLY);
    long pages = atol(words[2]), bad = atol(words[3]), wrong = 0;
    char *shown = mmap(NULL, pages * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    static char buffer[16 * PAGE];
    (void)count;
    signal(SIGBUS, on_fault);
    for (volatile long page = 0; page < pages; page++) {
        int number = sigsetjmp(back, 1);
        if (number)
            printf("page %ld: signal %d\n", page, number);
        else
            wrong += *(volatile long *)(shown + page * PAGE) != page + 1;
    }
    VALUE(wrong);
    for (long page = 0; page < pages; page++)
        if (pread(file, buffer, PAGE, page * PAGE) != PAGE)
            printf("page %ld: %s\n", page, strerrorname_np(errno));
    VALUE(pread(file, buffer, sizeof buffer, (bad - 8) * PAGE));
    return 0;
}
