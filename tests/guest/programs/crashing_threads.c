/* One of several threads, of which some compute and some sleep, reads where nothing is mapped. */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

static volatile int zero, ready;

__attribute__((noinline)) int walk(int *p) { return *p + zero; }

__attribute__((noinline)) int work(int depth, int *p) { return depth ? work(depth - 1, p) + 1 : walk(p) + 1; }

static void *walker(void *unused)
{
    while (!ready)
        usleep(1000);
    return (void *)(long)work(3, (int *)0x1238);
}

static void *spinner(void *unused)
{
    for (;;)
        zero = 0;
}

static void *sleeper(void *unused)
{
    for (;;)
        sleep(100);
}

int main(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, spinner, NULL);
        pthread_create(&thread, NULL, sleeper, NULL);
    }
    pthread_create(&thread, NULL, walker, NULL);
    pthread_setname_np(thread, "walker");
    ready = 1;
    pthread_join(thread, NULL);
    return 0;
}
