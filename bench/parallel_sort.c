/*
 * A merge sort on several threads: parallel_sort THREADS SECONDS.
 *
 * Each thread sorts its part, then pairs of neighbours merge, half as many threads at each level.
 * Prints how many sorts of 2^18 random numbers it did in a second. The threads are made anew for
 * every sort, as OpenMP's first region and a program's own pool would at worst.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT (1 << 18)
#define ALONE 32 /* shorter runs are sorted by insertion */

struct part {
    uint32_t *numbers, *scratch;
    size_t count;
    int threads;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void insert(uint32_t *numbers, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint32_t number = numbers[i];
        size_t j = i;
        for (; j > 0 && numbers[j - 1] > number; j--) numbers[j] = numbers[j - 1];
        numbers[j] = number;
    }
}

static void merge(uint32_t *numbers, uint32_t *scratch, size_t middle, size_t count)
{
    size_t left = 0, right = middle, out = 0;
    while (left < middle && right < count)
        scratch[out++] = numbers[left] <= numbers[right] ? numbers[left++] : numbers[right++];
    while (left < middle) scratch[out++] = numbers[left++];
    while (right < count) scratch[out++] = numbers[right++];
    memcpy(numbers, scratch, count * sizeof *numbers);
}

static void *sort(void *argument)
{
    struct part *part = argument;
    if (part->count <= ALONE) {
        insert(part->numbers, part->count);
        return NULL;
    }
    size_t middle = part->count / 2;
    struct part halves[2] = {
        { part->numbers, part->scratch, middle, part->threads / 2 },
        { part->numbers + middle, part->scratch + middle, part->count - middle,
          part->threads - part->threads / 2 },
    };
    if (part->threads > 1) {
        pthread_t other;
        if (pthread_create(&other, NULL, sort, &halves[1])) exit(2);
        sort(&halves[0]);
        pthread_join(other, NULL);
    } else {
        sort(&halves[0]);
        sort(&halves[1]);
    }
    merge(part->numbers, part->scratch, middle, part->count);
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    uint32_t *given = malloc(COUNT * sizeof *given), state = 1;
    for (size_t i = 0; i < COUNT; i++) given[i] = state = state * 1664525 + 1013904223;
    double began = now(), end;
    long sorts = 0;
    do {
        struct part whole = { malloc(COUNT * sizeof(uint32_t)), malloc(COUNT * sizeof(uint32_t)),
                              COUNT, threads };
        memcpy(whole.numbers, given, COUNT * sizeof *given);
        sort(&whole);
        for (size_t i = 1; i < COUNT; i++)
            if (whole.numbers[i - 1] > whole.numbers[i]) return 1;
        free(whole.numbers);
        free(whole.scratch);
        sorts++;
        end = now();
    } while (end - began < seconds);
    printf("sorts per second: %.3f\n", sorts / (end - began));
    return 0;
}
