/* What compiled kernel modules expect from their surroundings, on the host, and the worker's side of the pipe.
 *
 * A request is a length, the number of a function and its arguments; the answer is a length, a status (0: a result
 * follows, 1: an error number follows) and what the arguments' memory holds afterwards. A failed check or a panic writes
 * its text to standard error and ends the process with status 70; the sanitizers end it with a report and status 71. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint8_t wu8;
typedef uint32_t wu32;
typedef uint64_t wu64;

enum { PANIC_STATUS = 70, MAX_REGIONS = 64 };

/* The heap */

static wu64 live_objects;
static wu64 allocations_left = UINT64_MAX;

void *krait_allocate(wu64 size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left != UINT64_MAX)
        allocations_left--;
    void *memory = calloc(1, size ? size : 1);
    if (memory != NULL)
        live_objects++;
    return memory;
}

void krait_free(void *memory, wu64 size)
{
    (void)size;
    live_objects--;
    free(memory);
}

/* The log and the end */

void krait_log_open(wu32 level) { (void)level; }
void krait_log_text(const wu8 *text, wu64 length) { fwrite(text, 1, length, stderr); }

void krait_log_number(wu64 value, wu32 format)
{
    switch (format) {
    case 1: fprintf(stderr, "%lld", (long long)value); break;
    case 2: fprintf(stderr, "%llx", (unsigned long long)value); break;
    case 3: fputc((int)value, stderr); break;
    default: fprintf(stderr, "%llu", (unsigned long long)value);
    }
}

void krait_log_close(void) { fputc('\n', stderr); }

void krait_panic_begin(void) {}

__attribute__((noreturn)) void krait_panic_stop(void)
{
    fflush(stderr);
    _exit(PANIC_STATUS);
}

__attribute__((noreturn)) void krait_fail(const char *file, const char *line, const char *kind)
{
    fprintf(stderr, "%s:%s: %s\n", file, line, kind);
    krait_panic_stop();
}

/* The program's memory: what the test has passed as such, nothing else */

static struct { wu64 start, length; } regions[MAX_REGIONS];
static int region_count;
wu64 krait_user_top = UINT64_MAX;

void worker_map(const void *start, wu64 length)
{
    if (region_count == MAX_REGIONS)
        krait_fail("worker", "0", "too many user buffers");
    regions[region_count].start = (wu64)start;
    regions[region_count++].length = length;
}

static wu64 available(wu64 address, wu64 size)
{
    for (int i = 0; i < region_count; i++)
        if (address - regions[i].start < regions[i].length) {
            wu64 left = regions[i].length - (address - regions[i].start);
            return left < size ? left : size;
        }
    return 0;
}

wu64 krait_user_touch(wu64 address) { (void)address; return 0; }
wu64 krait_user_copy(void *to, const void *from, wu64 size)
{
    wu64 into = available((wu64)to, size), out = available((wu64)from, size);
    wu64 count = into > out ? into : out;
    memcpy(to, from, count);
    return size - count;
}

wu64 krait_user_copy_nofault(void *to, const void *from, wu64 size) { return krait_user_copy(to, from, size); }

/* What arch/ and mm/ provide in the kernel */

void krait_fault_in(wu64 address, wu64 size, wu32 access) { (void)address; (void)size; (void)access; }

/* Requests */

static wu8 *request, *request_end;
static wu8 *answer;
static wu64 answer_length, answer_space;

wu64 worker_number(void)
{
    wu64 value;
    memcpy(&value, request, sizeof value);
    request += sizeof value;
    return value;
}

void worker_bytes(wu8 **data, wu64 *length, wu64 element)
{
    wu64 size = worker_number();
    *data = malloc(size ? size : 1); /* its own block, so that the sanitizer sees the bounds */
    memcpy(*data, request, size);
    *length = size / element;
    request += size;
}

static void reserve(wu64 size)
{
    if (answer_length + size > answer_space) {
        answer_space = 2 * (answer_length + size);
        answer = realloc(answer, answer_space);
    }
}

void worker_put(const void *data, wu64 size)
{
    reserve(size);
    memcpy(answer + answer_length, data, size);
    answer_length += size;
}

void worker_put_number(wu64 value) { worker_put(&value, sizeof value); }

void worker_put_bytes(void *data, wu64 size, bool owned)
{
    worker_put_number(size);
    worker_put(data, size);
    if (owned)
        free(data);
}

static bool read_all(void *into, wu64 size)
{
    for (wu64 done = 0; done < size;) {
        ssize_t count = read(0, (wu8 *)into + done, size - done);
        if (count <= 0)
            return false;
        done += (wu64)count;
    }
    return true;
}

static void write_all(const void *from, wu64 size)
{
    for (wu64 done = 0; done < size;) {
        ssize_t count = write(1, (const wu8 *)from + done, size - done);
        if (count <= 0)
            _exit(1);
        done += (wu64)count;
    }
}

void worker_call(wu64 function);

enum { ASK_LIVE = 1 << 20, ASK_LIMIT };

int main(void)
{
    static char log_space[1 << 16];
    setvbuf(stderr, log_space, _IOFBF, sizeof log_space);
    for (wu64 length; read_all(&length, sizeof length);) {
        wu8 *whole = request = malloc(length);
        if (!read_all(request, length))
            return 1;
        request_end = request + length;
        answer_length = 0;
        region_count = 0;
        wu64 function = worker_number();
        if (function == ASK_LIVE) {
            worker_put_number(0);
            worker_put_number(live_objects);
        } else if (function == ASK_LIMIT) {
            allocations_left = worker_number();
            worker_put_number(0);
        } else {
            worker_call(function);
        }
        free(whole);
        fflush(stderr);
        write_all(&answer_length, sizeof answer_length);
        write_all(answer, answer_length);
    }
    return 0;
}
