/* How threads and their process end, in the way that the argument names. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int hits;

static void *nothing(void *argument)
{
    return NULL;
}

static void *outlive(void *argument)
{
    usleep(50000);
    puts("outlived");
    fflush(stdout);
    return NULL;
}

static void *fault(void *argument)
{
    usleep(1000);
    *(volatile int *)0 = 1;
    return NULL;
}

static void *leave(void *argument)
{
    usleep(1000);
    exit(9);
}

static void *spin(void *argument)
{
    for (volatile long i = 0;; i++)
        ;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER, go_on = PTHREAD_COND_INITIALIZER;
static int here, going;

static void *meet(void *argument)
{
    pthread_mutex_lock(&mutex);
    if (++here == *(int *)argument)
        pthread_cond_signal(&all_here);
    while (!going)
        pthread_cond_wait(&go_on, &mutex);
    here--;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/* Pages of the program's file that nobody has read yet: the end of a thread waits for its list. */
static const char unread[4 << 20] = { 1 };
static pthread_barrier_t both;

static void *end_with_unread_list(void *place)
{
    syscall(SYS_set_robust_list, place, 24);
    pthread_barrier_wait(&both);
    syscall(SYS_exit, 0);
    return NULL;
}

static void hit(int signo)
{
    hits++;
}

int main(int count, char **arguments)
{
    const char *way = arguments[1];
    pthread_t thread;
    if (!strcmp(way, "leader-first")) {
        pthread_create(&thread, NULL, outlive, NULL);
        pthread_exit(NULL);
    }
    if (!strcmp(way, "both")) {
        pthread_barrier_init(&both, NULL, 2);
        pthread_create(&thread, NULL, end_with_unread_list, (void *)&unread[1 << 20]);
        end_with_unread_list((void *)&unread[3 << 20]);
    }
    if (!strcmp(way, "fault")) {
        pthread_create(&thread, NULL, fault, NULL);
        pause();
    }
    if (!strcmp(way, "exit")) {
        pthread_create(&thread, NULL, leave, NULL);
        pause();
    }
    if (!strcmp(way, "busy")) {
        for (int i = 0; i < 4; i++)
            pthread_create(&thread, NULL, spin, NULL);
        usleep(50000);
        return 4;
    }
    if (!strcmp(way, "alarms")) {
        struct sigaction action = { .sa_handler = hit };
        sigaction(SIGALRM, &action, NULL);
        for (int i = 0; i < 3; i++)
            pthread_create(&thread, NULL, spin, NULL);
        ualarm(1000, 1000);
        while (hits < 50)
            ;
        puts("rang");
        return 0;
    }
    if (!strcmp(way, "often")) {
        for (int i = 0; i < 10000; i++)
            if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
                return 1;
        puts("10000 threads");
        return 0;
    }
    if (!strcmp(way, "ten-thousand")) { /* at the same time, each with a stack of 8 MiB */
        static pthread_t threads[10000];
        int number = 10000;
        for (int i = 0; i < number; i++)
            if (pthread_create(&threads[i], NULL, meet, &number))
                return 1;
        pthread_mutex_lock(&mutex);
        while (here != number)
            pthread_cond_wait(&all_here, &mutex);
        going = 1;
        pthread_cond_broadcast(&go_on);
        pthread_mutex_unlock(&mutex);
        for (int i = 0; i < number; i++)
            pthread_join(threads[i], NULL);
        printf("%d threads, %d left\n", number, here);
        return 0;
    }
    return 1;
}
