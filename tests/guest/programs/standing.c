/* A program that does for ten seconds what looks like standing still and is not: threads that
 * compute, that call the kernel all the time, that fault all the time, that wait for each other, that
 * work for long in one call. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_hold;

static void *compute(void *unused)
{
    for (volatile unsigned long round = 0;; round++)
        ;
}

static void *call(void *unused)
{
    for (;;)
        syscall(SYS_getpid);
}

static void *touch(void *unused)
{
    size_t length = 64 << 12;
    char *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (;;) {
        for (size_t at = 0; at < length; at += 4096)
            pages[at] = 1;
        madvise(pages, length, MADV_DONTNEED);
    }
}

static void *wait_in_circle(void *is_first)
{
    pthread_mutex_lock(is_first ? &first : &second);
    pthread_barrier_wait(&both_hold);
    pthread_mutex_lock(is_first ? &second : &first);
    return NULL;
}

static void on_alarm(int signo) {}

int main(int count, char **words)
{
    pthread_t thread;
    if (!strcmp(words[1], "sends")) {
        signal(SIGALRM, on_alarm);
        alarm(10);
        sendfile(open("/dev/null", O_WRONLY), open("/dev/urandom", O_RDONLY), NULL, 0x7ffff000);
        puts("ten seconds");
        exit(3);
    }
    pthread_barrier_init(&both_hold, NULL, 2);
    pthread_create(&thread, NULL, wait_in_circle, &first);
    pthread_create(&thread, NULL, wait_in_circle, NULL);
    if (strcmp(words[1], "waits") != 0) {
        pthread_create(&thread, NULL, compute, NULL);
        pthread_create(&thread, NULL, call, NULL);
        pthread_create(&thread, NULL, touch, NULL);
    }
    sleep(10);
    puts("ten seconds");
    exit(3);
}
