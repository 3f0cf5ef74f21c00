/* OpenMP: loops of every schedule, reductions, tasks, sections, locks, nested and ordered regions. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static long fibonacci(int n)
{
    long a, b;
    if (n < 2)
        return n;
#pragma omp task shared(a) if (n > 10)
    a = fibonacci(n - 1);
#pragma omp task shared(b) if (n > 10)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

int main(void)
{
    enum { COUNT = 200000 };
    int *values = malloc(COUNT * sizeof *values);
    long sum = 0, product = 1, guarded = 0, total = 0, critical = 0, locked = 0;
    int most = -1, all = 1, singles = 0, masters = 0, sections = 0, ordered[16], at = 0;
    printf("threads %d limit %d\n", omp_get_max_threads(), omp_get_thread_limit() > 1000);
#pragma omp parallel for schedule(static, 7)
    for (int i = 0; i < COUNT; i++)
        values[i] = i * 7919 % 10007;
#pragma omp parallel for schedule(dynamic, 100) reduction(+ : sum) reduction(max : most) reduction(&& : all)
    for (int i = 0; i < COUNT; i++) {
        sum += values[i];
        most = values[i] > most ? values[i] : most;
        all = all && values[i] >= 0;
    }
#pragma omp parallel for schedule(guided) reduction(* : product)
    for (int i = 1; i <= 20; i++)
        product *= i;
    printf("sum %ld most %d all %d product %ld\n", sum, most, all, product);
    omp_lock_t lock;
    omp_init_lock(&lock);
#pragma omp parallel
    {
        for (int i = 0; i < 1000; i++) {
#pragma omp atomic
            total++;
#pragma omp critical
            critical++;
            omp_set_lock(&lock);
            locked++;
            omp_unset_lock(&lock);
        }
#pragma omp barrier
#pragma omp single
        singles++;
#pragma omp master
        masters++;
#pragma omp for ordered schedule(dynamic)
        for (int i = 0; i < 16; i++) {
#pragma omp ordered
            ordered[at++] = i;
        }
#pragma omp sections reduction(+ : sections)
        {
#pragma omp section
            sections += 1;
#pragma omp section
            sections += 2;
#pragma omp section
            sections += 4;
        }
    }
    printf("atomic %ld critical %ld locked %ld single %d master %d sections %d\n", total, critical,
           locked, singles, masters, sections);
    for (int i = 0; i < 16; i++)
        guarded += ordered[i] == i;
    printf("in order %ld\n", guarded);
    long result = 0;
#pragma omp parallel
#pragma omp single
    result = fibonacci(20);
    printf("fibonacci %ld\n", result);
    int done[8] = {0}, chain = 0;
#pragma omp parallel
#pragma omp single
    {
        for (int i = 0; i < 8; i++)
#pragma omp task depend(inout : chain) shared(chain, done)
            done[chain++] = i;
#pragma omp taskloop shared(total)
        for (int i = 0; i < 100; i++)
#pragma omp atomic
            total++;
    }
    for (int i = 0; i < 8; i++)
        printf("%d ", done[i]);
    omp_set_max_active_levels(2);
    int inner = 0;
#pragma omp parallel num_threads(3) reduction(+ : inner)
#pragma omp parallel num_threads(2) reduction(+ : inner)
    inner += omp_get_level();
    printf("nested %d total %ld\n", inner, total);
    double start = omp_get_wtime();
#pragma omp parallel for collapse(2) reduction(+ : sum)
    for (int i = 0; i < 100; i++)
        for (int j = 0; j < 100; j++)
            sum += i ^ j;
    printf("collapsed %ld time %d\n", sum, omp_get_wtime() >= start);
    return 3;
}
