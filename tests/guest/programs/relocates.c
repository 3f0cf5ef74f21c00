/* Reads and then changes each page of a private mapping of this program's own file, one after another, as ld.so and
 * JVMs do when they relocate; tells whether the copies and the file hold what they must, and what lies behind the end.
 * With an argument: prints whether that took fewer faults than pages, and, if the file is a large one (PADDING), whether
 * less memory went than for a copy of each page beside the page. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { PAGE = 4096, BEHIND = 32 };

#ifdef PADDING
__attribute__((used)) static const char padding[PADDING] = { 1 };
#endif

static sigjmp_buf out;

static void caught(int number) { siglongjmp(out, number); }

static long faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static long free_pages(void)
{
    struct sysinfo info;
    sysinfo(&info);
    return info.freeram / PAGE * info.mem_unit;
}

int main(int count, char **arguments)
{
    int file = open("/proc/self/exe", O_RDONLY);
    struct stat status;
    fstat(file, &status);
    long pages = (status.st_size + PAGE - 1) / PAGE, wrong = 0;
    unsigned char *copy = mmap(NULL, (pages + BEHIND) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    long before = faults(), free_before = free_pages();
    for (long page = 0; page < pages; page++) {
        unsigned char *word = copy + page * PAGE + page % PAGE;
        *word = *word + 1;
    }
    long taken = faults() - before, used = free_before - free_pages();
    static unsigned char own[PAGE];
    for (long page = 0; page < pages; page++) {
        memset(own, 0, PAGE);
        pread(file, own, PAGE, page * PAGE);
        own[page % PAGE]++;
        wrong += memcmp(own, copy + page * PAGE, PAGE) != 0;
    }
    printf("more than 100 pages: %d, wrong: %ld\n", pages > 100, wrong);
    signal(SIGBUS, caught);
    for (long page = pages; page < pages + BEHIND; page += BEHIND - 1) {
        int number = sigsetjmp(out, 1);
        if (number == 0) copy[page * PAGE] = 1;
        printf("behind the end: signal %d\n", number);
    }
    if (count > 1) printf("fewer faults than pages: %d\n", taken < pages);
#ifdef PADDING
    if (count > 1) printf("no copies: %d\n", used < pages + pages / 4);
#endif
    return 0;
}
