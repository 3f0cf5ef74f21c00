/* Four thousand threads, of which most end after a while; one byte of input ends all. */
#include "show.h"
#include <pthread.h>

#define THREADS 4000

static void *run(void *number)
{
    sleep((long)number % 8 == 1 ? 100 : 1);
    return NULL;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    for (long i = 2; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, &attributes, run, (void *)i))
            return 1;
    }
    puts("ready");
    fflush(stdout);
    getchar();
    _exit(0);
}
