/* What a thread's own end of a signal or of a thread can be wrong about: frames, stacks, images. */
#include <linux/sched.h>

static volatile unsigned vector_size; /* of a frame's vector state, as the kernel writes it */

/* Where a false frame that is taken for a true one leads to. */
static void landed(void)
{
    unsigned control = 0x1f80;
    asm volatile("cld; fninit; ldmxcsr %0" : : "m"(control));
    siglongjmp(self->back, 1);
}

static void own_alternate_stack(void)
{
    stack_t mine = { alternates[self - states], 0, SCRATCH };
    syscall(SYS_sigaltstack, &mine, NULL);
}

static void *false_vector_state(void)
{
    char *image = (char *)(((u64)scratch(8192) + 63) & -64ul);
    unsigned *software = (void *)(image + 464), size = vector_size;
    memset(image, 0, 4096);
    asm volatile("fxsave64 %0" : "=m"(*(char (*)[512])image));
    if (one_in(3))
        return image + (one_in(6) ? 8 : 0);
    software[0] = 0x46505853, software[1] = one_in(4) ? (unsigned)wild() : size + 4;
    *(u64 *)(software + 2) = one_in(2) ? 7 : wild(), software[4] = one_in(4) ? (unsigned)wild() : size;
    if (size && size < 4000)
        *(unsigned *)(image + size) = one_in(9) ? 0 : 0x46505845;
    u64 *header = (void *)(image + 512);
    header[0] = one_in(3) ? wild() : below(8), header[1] = one_in(3) ? wild() : 0, header[2] = one_in(9), header[7] = one_in(9);
    ((unsigned *)image)[6] = one_in(3) ? bits() : 0x1f80; /* MXCSR */
    for (int i = below(4); i > 0; i--)
        ((u64 *)image)[below(58)] = bits();
    return image;
}

/* rt_sigreturn(2) to a frame that no signal has made. */
static void false_return(void)
{
    scratch(64); /* the frame begins 8 bytes before */
    ucontext_t *u = scratch(sizeof *u);
    memset(u, 0, sizeof *u);
    greg_t *r = u->uc_mcontext.gregs;
    r[REG_RIP] = (u64)landed, r[REG_RSP] = (((u64)__builtin_frame_address(0) - 8192) & -16ul) - 8;
    r[REG_EFL] = 0x202, r[REG_CSGSFS] = 0x33 | 0x2bul << 48;
    u->uc_flags = one_in(3) ? wild() : below(8);
    u->uc_mcontext.fpregs = one_in(4) ? NULL : one_in(9) ? (void *)wild() : false_vector_state();
    *(u64 *)&u->uc_sigmask = (one_in(2) ? 0 : bits()) & ~(1ul << (KICK - 1) | 1ul << (SIGSEGV - 1) | 1ul << (SIGBUS - 1));
    u->uc_stack = (stack_t){ alternates[self - states], one_in(4) ? (int)wild() : 0, one_in(4) ? below(2048) : SCRATCH };
    switch (below(8)) {
    case 0: r[REG_EFL] ^= bits() & ~0x40500ul; break; /* not: direction, trap, alignment */
    case 1: r[REG_CSGSFS] = bits(); break;
    case 2: r[REG_RSP] = wild(); break;
    case 3: r[REG_RIP] = wild() & 0xff7fffffffffffff; break;
    case 4: r[below(16)] = wild(), r[REG_RIP] = (u64)landed; break;
    }
    if (r[REG_RIP] >> 63)
        r[REG_RIP] = 1ul << 47; /* the kernel's own code is not for calling */
    own_alternate_stack();
    self->call[0] = SYS_rt_sigreturn, self->call[1] = (u64)u;
    self->done++;
    void *where = one_in(20) ? (void *)wild() : one_in(20) ? read_only + 4096 - sizeof *u : (void *)u;
    asm volatile("mov %0, %%rsp; mov %1, %%eax; syscall; ud2" : : "r"(where), "i"(SYS_rt_sigreturn) : "memory");
}

/* A system call on a stack that is none, while a signal comes. */
static void false_stack(void)
{
    u64 bad = one_in(3) ? (u64)shared() : one_in(2) ? (u64)read_only + 2048 : wild();
    long number = one_in(3) ? SYS_getppid : SYS_tgkill;
    own_alternate_stack();
    self->call[0] = number, self->done++;
    register long signal_ asm("rdx") = ANY(SIGURG, SIGCHLD, SIGUSR1, SIGTRAP, 35);
    asm volatile("mov %%rsp, %%rbx; mov %[bad], %%rsp; syscall; mov %%rbx, %%rsp"
                 : "+a"(number) : [bad] "r"(bad), "D"((long)getpid()), "S"((long)self->tid), "r"(signal_) : "rbx", "rcx", "r11", "memory");
}

static void alternate_stacks(void)
{
    stack_t s = { one_in(3) ? (void *)wild() : alternates[self - states], ANY(0, 0, SS_DISABLE, SS_ONSTACK, 1ul << 31, 1ul << 31, 77, -1u), ANY(0, 2047, SCRATCH, SCRATCH) };
    if (s.ss_sp != alternates[self - states])
        s.ss_size = below(2048), s.ss_flags &= ~2; /* one that is taken must be one */
    CALL(sigaltstack, one_in(9) ? (void *)wild() : &s, one_in(2) ? NULL : buffer());
    CALL(tgkill, getpid(), self->tid, ANY(SIGQUIT, SIGTRAP, SIGUSR2, 36, 63));
    own_alternate_stack();
}

/* clone3(2), of whose structure one part may be wrong. */
static long clone_by_structure(struct clone_args *arguments, u64 size, int (*begin)(void *), void *mine)
{
    long result = SYS_clone3;
    register void *given asm("r8") = mine;
    register void *entry asm("r9") = begin;
    asm volatile("syscall; test %%rax, %%rax; jnz 1f; xor %%ebp, %%ebp; mov %%r8, %%rdi; call *%%r9; mov %%eax, %%edi; mov $60, %%eax; syscall; ud2; 1:"
                 : "+a"(result) : "D"(arguments), "S"(size), "r"(given), "r"(entry) : "rcx", "r11", "memory");
    return result;
}

static void clones(int (*begin)(void *))
{
    for (int i = THREADS; i < 2 * THREADS; i++) {
        int none = 0;
        struct state *new = &states[i];
        if (!__atomic_compare_exchange_n(&new->tid, &none, -1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            continue;
        new->random = bits(), new->armed = 0, new->changed = 0;
        struct clone_args *a = scratch(sizeof *a);
        memset(a, 0, sizeof *a);
        a->flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
        a->stack = (u64)stacks[i], a->stack_size = STACK, a->parent_tid = a->child_tid = (u64)&new->tid;
        u64 size = one_in(4) ? ANY(0, 63, 64, 80, 88, 96, 4096, 4097) : 88;
        switch (below(9)) {
        case 0: a->flags ^= 1ul << below(40); break;
        case 1: a->exit_signal = below(100); break;
        case 2: a->set_tid = (u64)buffer(), a->set_tid_size = below(40); break;
        case 3: a->flags |= SOME(0x80, 0x1000, 0x4000, 0x8000, 0x800000, 0x80000000, 0x100000000, 0x200000000); break;
        case 4: a->pidfd = (u64)buffer(), a->cgroup = fd(); break;
        }
        a->flags |= CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, a->flags &= ~(u64)(CLONE_SETTLS | CLONE_VFORK);
        if (!(a->flags & CLONE_VM))
            a->flags |= CLONE_SIGHAND;
        self->call[0] = SYS_clone3, self->done++;
        if (clone_by_structure(a, size, begin, new) < 0)
            new->tid = 0;
        return;
    }
}

/* Images that are none: each is refused before anything is given up. */
static void bad_images(void)
{
    static const char *const texts[] = { "#!/tmp/chaos/b\n", "#!/tmp/chaos/a\n", "#!", "#! /", "\177ELF", "#!/nowhere x y z\n", "" };
    const char *text = texts[below(COUNT(texts))], *name = names[below(10)];
    int file = CALL(openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK, 0777);
    CALL(write, file, text, strlen(text)), CALL(close, file);
    char **list = scratch(64 * 8);
    for (int i = 0; i < 63; i++)
        list[i] = path();
    list[63] = NULL;
    void *v = one_in(9) ? (void *)wild() : place(list + below(63), 8);
    if (one_in(2))
        CALL(execve, name, v, one_in(2) ? NULL : v);
    else
        CALL(execveat, directory(), one_in(9) ? (void *)wild() : (void *)name, v, v, SOME(AT_SYMLINK_NOFOLLOW, 0x10000));
}

static void frames(int (*begin)(void *))
{
    switch (below(8)) {
    case 0 ... 2: false_return(); break;
    case 3: false_stack(); break;
    case 4: alternate_stacks(); break;
    case 5 ... 6: clones(begin); break;
    case 7: bad_images(); break;
    }
}
