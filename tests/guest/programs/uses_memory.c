/* Asks for as many MiB as the first argument says, a quarter of one at a time, and then uses them all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART (256 << 10)

int main(int count, char **words)
{
    static char *parts[1024];
    int wanted = 4 * atoi(words[1]), sum = 0;
    for (int i = 0; i < wanted; i++)
        if (!(parts[i] = malloc(PART)))
            return puts("malloc fails"), 1;
    for (int i = 0; i < wanted; i++)
        memset(parts[i], 1, PART);
    for (int i = 0; i < wanted; i++)
        sum += parts[i][i];
    printf("used %d\n", sum);
    return 0;
}
