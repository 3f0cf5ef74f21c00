/* What a program had is free when another takes its place, whichever CPUs it ran on. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static long free_mib(void)
{
    char line[200];
    long kib = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    while (fgets(line, sizeof line, file))
        sscanf(line, "MemFree: %ld", &kib);
    fclose(file);
    return kib / 1024;
}

static void *elsewhere(void *memory)
{
    cpu_set_t last;
    CPU_ZERO(&last);
    CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
    sched_setaffinity(0, sizeof last, &last);
    memset(memory, 1, 100 << 20);
    return NULL;
}

int main(int count, char **words)
{
    char before[20];
    pthread_t thread;
    if (count > 1) {
        long lost = atol(words[1]) - free_mib();
        if (lost < 8)
            puts("free again");
        else
            printf("%ld MiB less\n", lost);
        return 0;
    }
    sprintf(before, "%ld", free_mib());
    char *memory = mmap(NULL, 100 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    sched_setaffinity(0, sizeof first, &first);
    pthread_create(&thread, NULL, elsewhere, memory);
    pthread_join(thread, NULL);
    execl("/proc/self/exe", words[0], before, NULL);
    return 1;
}
