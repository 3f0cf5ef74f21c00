/* A walk through libc: environment, files, memory, time, signals, long jumps, threads' local storage. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int local = 7;
static jmp_buf back;
static volatile sig_atomic_t hits;

static void on_signal(int number) { hits += number; }

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number; (void)context;
    siglongjmp(back, info->si_addr == (void *)0x10000 ? 1 : 2);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
    printf("home %s, thread local %d\n", getenv("HOME"), local);

    char name[] = "/tmp/krait-tour-XXXXXX";
    int fd = mkstemp(name);
    struct stat st;
    if (fd < 0 || write(fd, "0123456789", 10) != 10 || fstat(fd, &st)) return 10;
    char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("file of %ld bytes, mapped: %.10s\n", (long)st.st_size, map);
    munmap(map, 4096);
    close(fd);
    unlink(name);
    printf("open after unlink: %s\n", open(name, O_RDONLY) < 0 ? strerror(errno) : "?");

    char *heap = malloc(3 << 20);
    memset(heap, 'k', 3 << 20);
    heap = realloc(heap, 9 << 20);
    printf("heap keeps %c%c\n", heap[0], heap[(3 << 20) - 1]);
    free(heap);

    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    struct timespec nap = { 0, 2000000 };
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    long ns = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
    printf("slept enough: %d, year sane: %d\n", ns >= 2000000, time(NULL) > 1700000000);

    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    raise(SIGUSR1);
    printf("signals: %d\n", (int)hits);

    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &fault, NULL);
    int way = sigsetjmp(back, 1);
    if (way == 0) *(volatile int *)0x10000 = 1;
    printf("fault caught: %d\n", way);

    mkdir("/tmp/krait-tour", 0700);
    DIR *dir = opendir("/tmp/krait-tour");
    int entries = 0;
    while (dir && readdir(dir)) entries++;
    if (dir) closedir(dir);
    rmdir("/tmp/krait-tour");
    printf("entries: %d\n", dir ? entries : -1);
    volatile double two = 2.0;
    printf("%.6f %.3e %s\n", two * two / 3, 1.0 / 3, "end");
    return 42;
}
