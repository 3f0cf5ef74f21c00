/* Large ranges of memory that are buffers of some calls while other calls change or take them away. */

#define LARGE (6ul << 20)

static char *large; /* in pages of 2 MiB, if the kernel likes */

static char *wide(u64 *size)
{
    u64 start = one_in(2) ? below(LARGE) & -4096ul : one_in(2) ? below(3) << 21 : below(LARGE);
    u64 most = LARGE - start, wanted = one_in(3) ? 2 << 20 : one_in(2) ? (1 + below(20)) * 4096 : below(300000);
    *size = wanted < most ? wanted : most;
    return large + start;
}

/* What changes a range. */
static void change(void)
{
    u64 size, more;
    char *at = wide(&size), *to = wide(&more);
    at = (char *)((u64)at & -4096ul), to = (char *)((u64)to & -4096ul);
    switch (below(16)) {
    case 0 ... 2: CALL(mmap, at, size, 3, MAP_FIXED | MAP_ANONYMOUS | ANY(MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED) | SOME(MAP_NORESERVE), -1, 0); break;
    case 3 ... 4: CALL(madvise, at, size, ANY(MADV_HUGEPAGE, MADV_NOHUGEPAGE, 25, MADV_DONTNEED, MADV_FREE, 20, 21, 22, 23)); break;
    case 5: CALL(mprotect, at, size, ANY(0, 1, 3, 3)); break;
    case 6: CALL(munmap, at, size), CALL(mmap, at, size, 3, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0); break;
    case 7 ... 8: CALL(mremap, at, size, more, MREMAP_MAYMOVE | MREMAP_FIXED | SOME(4), to); break;
    case 9: to = page(), size = size < within(to) ? size : within(to), CALL(mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to); break;
    case 10: CALL(mlock2, at, size, below(2)), CALL(munlock, at, size); break;
    case 11: CALL(msync, at, size, SOME(1, 2, 4)), CALL(mincore, at, size & -4096ul, shared()); break;
    case 12: CALL(mremap, at, size, size / 2, 0), CALL(mmap, at, size, 3, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0); break;
    default: for (u64 i = 0; i < size; i += 4096) ((volatile char *)at)[i]++; break;
    }
}

/* A file written from, and read into, a mapping of itself. */
static void onto_itself(void)
{
    u64 size;
    char *at = wide(&size);
    at = (char *)((u64)at & -4096ul);
    int file = one_in(2) ? CALL(memfd_create, "m", 0) : CALL(openat, AT_FDCWD, one_in(2) ? "/tmp/chaos/a" : "/tmp/over/a", O_RDWR | O_CREAT, 0777);
    CALL(ftruncate, file, 1 + below(100000));
    CALL(mmap, at, size, 3, MAP_FIXED | ANY(MAP_PRIVATE, MAP_SHARED) | SOME(MAP_POPULATE), file, below(3) << 12);
    for (int round = below(6); round >= 0; round--) {
        switch (below(6)) {
        case 0: CALL(pwrite64, file, at + below(9000), below(30000), below(30000)); break;
        case 1: CALL(pread64, file, at + below(9000), below(30000), below(30000)); break;
        case 2: CALL(ftruncate, file, below(60000)); break;
        case 3: CALL(fallocate, file, 3, below(20000), below(20000)); break;
        case 4: CALL(copy_file_range, file, PLACED(u64, below(9000)), file, PLACED(u64, 20000 + below(9000)), below(9000), 0); break;
        case 5: CALL(madvise, at, size & -4096ul, ANY(4, 8, 9, 20, 21, 22, 23)); break;
        }
    }
    CALL(close, file);
    CALL(mmap, at, size, 3, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
}

static void ranges(void)
{
    u64 size, more;
    char *at = wide(&size), *other = wide(&more);
    struct iovec *v = scratch(4 * sizeof *v);
    v[0] = (struct iovec){ at, size }, v[1] = (struct iovec){ other, more };
    v[2] = (struct iovec){ other, more }, v[3] = (struct iovec){ shared(), 5000 };
    switch (below(16)) {
    case 0 ... 6: change(); break;
    case 7: onto_itself(); break;
    case 8: CALL(write, fd(), at, size); break;
    case 9: CALL(read, fd(), at, size); break;
    case 10: CALL(writev, fd(), v, 4); break;
    case 11: CALL(readv, fd(), v, 4); break;
    case 12: CALL(getrandom, at, below(20000), 0); break;
    case 13: if (one_in(2)) CALL(process_vm_readv, getpid(), v, 1, v + 1, 3, 0); else CALL(process_vm_writev, getpid(), v, 2, v + 2, 2, 0); break;
    case 14: CALL(vmsplice, fd(), v, 4, 2 | SOME(8)); break;
    case 15: CALL(sendmsg, fd(), PLACED(struct msghdr, { .msg_iov = v, .msg_iovlen = 4 }), MSG_DONTWAIT); break;
    }
}
