#include <omp.h>
#include <stdio.h>

int main(void)
{
    long sum = 0;
    puts("hello from OpenMP");
#pragma omp parallel for reduction(+ : sum)
    for (int i = 1; i <= 1000000; i++)
        sum += i;
    printf("%d threads: %ld\n", omp_get_max_threads(), sum);
    return 0;
}
