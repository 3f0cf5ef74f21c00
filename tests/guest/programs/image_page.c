/* Maps a file of the image (the script that this program interprets), then writes it through another descriptor. */
#include "show.h"
#include <sys/mman.h>

#define PAGE 4096L
#define LENGTH (4 * PAGE)

static void compare(const char *what, const char *mapped, const char *content)
{
    int same = 0;
    for (long i = 0; i < LENGTH; i += PAGE)
        same = same * 10 + !memcmp(mapped + i, content + i, PAGE);
    printf("%s %04d\n", what, same);
}

int main(int count, char **words)
{
    static char content[LENGTH], copy[100];
    int file = open(words[1], O_RDWR);
    if (pread(file, content, LENGTH, 0) != LENGTH)
        return puts("too short"), 1;
    char *shared = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *private = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    char *read_only = mmap(NULL, LENGTH, PROT_READ, MAP_PRIVATE, file, 0);
    char *later = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, file, PAGE);
    compare("shared", shared, content);
    compare("private", private, content);
    compare("read-only", read_only, content);
    printf("later %d\n", !memcmp(later, content + PAGE, PAGE));
    private[3 * PAGE + 9] = 'x'; /* a copy of this page from now on */
    content[3 * PAGE + 9] = 'x';
    int other = open(words[1], O_WRONLY);
    VALUE(pwrite(other, "written", 7, 5));
    VALUE(pwrite(other, "written", 7, 3 * PAGE + 5));
    memcpy(content + 5, "written", 7);
    compare("private", private, content);
    memcpy(content + 3 * PAGE + 5, "written", 7);
    pread(file, content + 3 * PAGE, PAGE, 3 * PAGE);
    compare("shared", shared, content);
    compare("read-only", read_only, content);
    printf("later %.7s\n", later + 2 * PAGE + 5);
    shared[PAGE + 1] = 'S';
    pread(file, copy, 10, PAGE);
    printf("by descriptor %c, privately %c, read-only %c, later %c\n", copy[1], private[PAGE + 1], read_only[PAGE + 1], later[1]);
    VALUE(ftruncate(other, PAGE));
    VALUE(ftruncate(other, LENGTH));
    printf("after cutting %d %d %d\n", shared[2 * PAGE], private[2 * PAGE], read_only[3 * PAGE]);
    return 0;
}
