/* Spends its time in known places: a chain of functions, a thread, code made at run time, calls. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noinline)) long inner_work(double end)
{
    volatile long sum = 0;
    do
        for (int i = 0; i < 100000; i++)
            sum += i;
    while (seconds() < end);
    return sum;
}

__attribute__((noinline)) long outer_work(double end)
{
    return inner_work(end) + 1;
}

static void *threaded_work(void *unused)
{
    pthread_setname_np(pthread_self(), "second");
    outer_work(seconds() + 1.3);
    return unused;
}

/* mov $edi, %ecx; dec %ecx; jnz -4; ret */
static const unsigned char loop[] = {0x89, 0xf9, 0xff, 0xc9, 0x75, 0xfc, 0xc3};

static void made_work(void)
{
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, loop, sizeof loop);
    FILE *map = fopen("/tmp/perf-1.map", "w");
    fprintf(map, "%lx 40 made_at_run_time\n", (unsigned long)code);
    fclose(map);
    double end = seconds() + 0.3;
    do
        ((void (*)(int))code)(1000000);
    while (seconds() < end);
}

/* The call is made here: libc has no frame pointers, and would hide who calls it. */
static void calling_work(void)
{
    char room[256];
    double end = seconds() + 0.3;
    do {
        long result = 4; /* stat */
        __asm__ volatile("syscall" : "+a"(result) : "D"("/etc/passwd"), "S"(room)
                         : "rcx", "r11", "memory");
    } while (seconds() < end);
}

int main(void)
{
    pthread_t thread;
    outer_work(seconds() + 0.5);
    made_work();
    calling_work();
    pthread_create(&thread, NULL, threaded_work, NULL);
    pthread_join(thread, NULL);
    return 0;
}
