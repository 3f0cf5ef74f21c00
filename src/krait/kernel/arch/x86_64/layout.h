/* Constants that the assembly files and kernel.ld share. Python has its own copy in layout.py;
 * tests/kernel/test_arch_layout.py compares the two. */

#ifndef KRAIT_LAYOUT_H
#define KRAIT_LAYOUT_H

#define KERNEL_BASE 0xffffffff80000000 /* virtual minus physical of the kernel image */
#define KERNEL_PHYSICAL 0x100000

#define PAGE_SIZE 4096

/* Selectors of the one GDT. Program and kernel both run with the first two (ring 0). */
#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10
#define TSS_SELECTOR 0x18
#define NUMBER_SELECTOR 0x28 /* its limit is the CPU's number */

/* TrapFrame (trap_frame.py). */
#define FRAME_R15 0
#define FRAME_R14 8
#define FRAME_R13 16
#define FRAME_R12 24
#define FRAME_RBP 32
#define FRAME_RBX 40
#define FRAME_R11 48
#define FRAME_R10 56
#define FRAME_R9 64
#define FRAME_R8 72
#define FRAME_RAX 80
#define FRAME_RCX 88
#define FRAME_RDX 96
#define FRAME_RSI 104
#define FRAME_RDI 112
#define FRAME_ORIGINAL_RAX 120
#define FRAME_ERROR 128
#define FRAME_RIP 136
#define FRAME_CS 144
#define FRAME_RFLAGS 152
#define FRAME_RSP 160
#define FRAME_SS 168
#define FRAME_SIZE 176

/* The head of the per-CPU area (.percpu, cpu_area.py). The compiler's stack protector reads its
 * canary at %gs:40, which is gcc's and clang's default offset. */
#define CPU_SELF 0
#define CPU_FRAME 8        /* TrapFrame at the top of the current thread's kernel stack */
#define CPU_PROGRAM_RSP 16 /* scratch of the system call entry */
#define CPU_STACK_LIMIT 24 /* lowest address a trap may still push to on the kernel stack */
#define CPU_WORK 32        /* the current thread's work word: reasons not to go straight back */
#define CPU_CANARY 40
#define CPU_HOLDS 48      /* the kernel lock: HOLDS_NOT, HOLDS_LOCK, HOLDS_ALONE */
#define CPU_WANTED 52     /* flushes of the TLB that other CPUs have asked for ... */
#define CPU_DONE 56       /* ... and those that are done */
#define CPU_INDEX 60

#define HOLDS_NOT 0
#define HOLDS_LOCK 1
#define HOLDS_ALONE 2 /* the only CPU: it needs no lock */

/* Interrupts of this vector are served without the kernel lock (kernel_lock.py). */
#define SERVICE_VECTOR 0xf0

/* Where the other CPUs begin: a page of code, and three of page tables (second_cpu.S). */
#define TRAMPOLINE 0x8000

/* The table of system calls (linux/table.py): entries, log2 of an entry's size, offset of its thunk. */
#define SYSTEM_CALLS 463
#define SYSTEM_CALL_SHIFT 5
#define SYSTEM_CALL_FUNCTION 16
#define SYSTEM_CALL_MARK 31 /* the highest byte of its flags ... */
#define ANSWERS_WITHOUT_LOCK 0x80 /* ... and the bit in it for a function in the second half */
#define SECOND_HALF (SYSTEM_CALLS << SYSTEM_CALL_SHIFT)

/* What a call answers that has to be made with the kernel lock (errno.py). */
#define NEEDS_LOCK 600

/* One area a CPU for the stacks that the interrupt stack table names: 1 KiB of head, whose first
 * word is the CPU's %gs base, and seven stacks of 1 KiB. Aligned to its size. */
#define IST_AREA_SIZE 8192
#define IST_STACK_SIZE 1024

#endif
