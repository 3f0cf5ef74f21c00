/*
 * Copies between the kernel and a program's memory: the only kernel code that may fault on a
 * program's address.
 *
 * Both routines return the number of bytes not copied. At a fault krait_user_copy() lets the
 * program's address space bring the page in and goes on; krait_user_copy_nofault() stops, for use
 * under locks that a fault would need. The table `.krait.exceptions` has for every instruction that
 * may fault: its address, where to go on if the page cannot be had, and whether it can be brought
 * in (exceptions.py). Any other fault of the kernel on a low address is a panic.
 *
 * Whole words go first, the rest by bytes; RCX and RDX always tell what is left. Four and eight
 * bytes, what `UserPointer` moves most, take one load and one store, sixteen (timespec) two. A word
 * that lies half in a page that is not there is copied by bytes up to that page: who brings in the
 * first byte not copied and tries again gets on or learns that it cannot be had.
 */

#include "layout.h"

.macro may_fault instruction, go_on, wait
    .pushsection .krait.exceptions, "a"
    .balign 8
    .quad \instruction, \go_on, \wait
    .popsection
.endm

.macro copy_routine name, wait
    .balign 16
    .globl \name
\name:
    cmpq $16, %rdx
    je 14f
    cmpq $8, %rdx
    jbe 3f
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
1:  rep movsq
    movl %edx, %ecx
2:  rep movsb
    xorl %eax, %eax
    ret
3:  jne 5f
4:  movq (%rsi), %rax
6:  movq %rax, (%rdi)
    xorl %eax, %eax
    ret
5:  cmpl $4, %edx
    jne 9f
7:  movl (%rsi), %eax
8:  movl %eax, (%rdi)
    xorl %eax, %eax
    ret
9:  movl %edx, %ecx
10: rep movsb
    xorl %eax, %eax
    ret
14: movq (%rsi), %rax
15: movq 8(%rsi), %rcx
16: movq %rax, (%rdi)
17: movq %rcx, 8(%rdi)
    xorl %eax, %eax
    ret
11: leaq (%rdx, %rcx, 8), %rcx
    jmp 10b
12: movq %rcx, %rax
    ret
13: movq %rdx, %rcx
    jmp 10b
    may_fault 1b, 11b, \wait
    may_fault 2b, 12b, \wait
    may_fault 4b, 13b, \wait
    may_fault 6b, 13b, \wait
    may_fault 7b, 13b, \wait
    may_fault 8b, 13b, \wait
    may_fault 10b, 12b, \wait
    may_fault 14b, 13b, \wait
    may_fault 15b, 13b, \wait
    may_fault 16b, 13b, \wait
    may_fault 17b, 13b, \wait
.endm

    .section .text.krait.hot, "ax"
    copy_routine krait_user_copy, 1
    copy_routine krait_user_copy_nofault, 0

/* krait_user_touch(address): make the byte's page present and writable without changing it, even
 * when another thread writes it meanwhile; 0, or 1 when that cannot be. */
    .balign 16
    .globl krait_user_touch
krait_user_touch:
1:  lock orb $0, (%rdi)
    xorl %eax, %eax
    ret
2:  movl $1, %eax
    ret
    may_fault 1b, 2b, 1

/* krait_user_word(address): a word of the program's, -1 if its page is not there. */
    .balign 16
    .globl krait_user_word
krait_user_word:
1:  movl (%rdi), %eax
    ret
2:  movq $-1, %rax
    ret
    may_fault 1b, 2b, 0

/* krait_user_compare_swap(address, old, new): store `new` if the word is `old`, in one step that
 * other CPUs cannot come between. Gives the word that was found, -1 if it cannot be written. */
    .balign 16
    .globl krait_user_compare_swap
krait_user_compare_swap:
    movl %esi, %eax
1:  lock cmpxchgl %edx, (%rdi)
    movl %eax, %eax
    ret
2:  movq $-1, %rax
    ret
    may_fault 1b, 2b, 0
    .section .note.GNU-stack, "", @progbits
