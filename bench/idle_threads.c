/*
 * What a thread that waits costs: idle_threads COUNT.
 *
 * Makes threads with the C library's default attributes that wait for a condition, and prints by
 * how much MemAvailable and MemFree of /proc/meminfo went down, in KiB, once all of them wait.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrival = PTHREAD_COND_INITIALIZER, never = PTHREAD_COND_INITIALIZER;
static int waiting;

static long field(const char *name)
{
    char line[128];
    long value = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file) exit(2);
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name))) value = atol(line + strlen(name));
    fclose(file);
    return value;
}

static void *idle(void *unused)
{
    pthread_mutex_lock(&lock);
    waiting++;
    pthread_cond_signal(&arrival);
    for (;;) pthread_cond_wait(&never, &lock);
    return unused;
}

static void add(int count)
{
    int target = waiting + count;
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, idle, NULL)) exit(3);
    }
    pthread_mutex_lock(&lock);
    while (waiting < target) pthread_cond_wait(&arrival, &lock);
    pthread_mutex_unlock(&lock);
    usleep(200000); /* the last one is on its way into its wait; Linux frees some things late */
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    add(1); /* what the first thread alone costs is the program's */
    field("MemFree:");
    long available = field("MemAvailable:"), free = field("MemFree:");
    add(count);
    long free_after = field("MemFree:"), available_after = field("MemAvailable:");
    printf("threads: %d available: %ld free: %ld\n", count, available - available_after,
           free - free_after);
    fflush(stdout);
    _exit(0);
}
