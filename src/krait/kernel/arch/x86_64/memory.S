/*
 * memcpy, memset, memmove, memcmp: what a C compiler may call on its own.
 *
 * Eight bytes at a time by string instructions, and the last, partial word by one unaligned access
 * that overlaps what is already done. Short blocks, the most frequent, take a few moves.
 */

    .section .text.krait.hot, "ax"
    .balign 16
    .globl memmove
memmove:
    movq %rdi, %rcx
    subq %rsi, %rcx
    cmpq %rdx, %rcx
    jae memcpy /* the destination does not begin within the source */
    movq %rdi, %rax
    cmpq $8, %rdx
    jb 1f
    /* Backwards. The first word is read before anything is written. */
    movq (%rsi), %r8
    movq %rdi, %r9
    movq %rdx, %rcx
    leaq -8(%rsi, %rdx), %rsi
    leaq -8(%rdi, %rdx), %rdi
    shrq $3, %rcx
    std
    rep movsq
    cld
    movq %r8, (%r9)
    ret
1:  testq %rdx, %rdx
    je 3f
2:  movb -1(%rsi, %rdx), %cl
    movb %cl, -1(%rdi, %rdx)
    decq %rdx
    jne 2b
3:  ret

    .balign 16
    .globl memcpy
memcpy:
    movq %rdi, %rax
    cmpq $16, %rdx
    jbe 1f
    movq -8(%rsi, %rdx), %r8
    leaq -8(%rdi, %rdx), %r9
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    movq %r8, (%r9)
    ret
1:  cmpl $8, %edx
    jb 2f
    movq (%rsi), %rcx
    movq -8(%rsi, %rdx), %r8
    movq %rcx, (%rdi)
    movq %r8, -8(%rdi, %rdx)
    ret
2:  cmpl $4, %edx
    jb 3f
    movl (%rsi), %ecx
    movl -4(%rsi, %rdx), %r8d
    movl %ecx, (%rdi)
    movl %r8d, -4(%rdi, %rdx)
    ret
3:  testl %edx, %edx
    je 4f
    movzbl (%rsi), %ecx
    movzbl -1(%rsi, %rdx), %r8d
    cmpl $3, %edx
    jne 5f
    movb 1(%rsi), %r9b
    movb %r9b, 1(%rdi)
5:  movb %cl, (%rdi)
    movb %r8b, -1(%rdi, %rdx)
4:  ret

    .balign 16
    .globl memset
memset:
    movq %rdi, %r9
    movzbl %sil, %eax
    movabsq $0x0101010101010101, %rcx
    imulq %rcx, %rax
    cmpq $8, %rdx
    jb 1f
    movq %rax, -8(%rdi, %rdx)
    movq %rdx, %rcx
    shrq $3, %rcx
    rep stosq
    movq %r9, %rax
    ret
1:  movq %rdx, %rcx
    rep stosb
    movq %r9, %rax
    ret

    .balign 16
    .globl memcmp
memcmp:
    movq %rdx, %rcx
    shrq $3, %rcx
    je 2f
1:  movq (%rsi), %r8
    cmpq (%rdi), %r8
    jne 4f
    addq $8, %rsi
    addq $8, %rdi
    decq %rcx
    jne 1b
2:  andl $7, %edx
    je 6f
3:  movzbl (%rdi), %eax
    movzbl (%rsi), %ecx
    subl %ecx, %eax
    jne 5f
    incq %rsi
    incq %rdi
    decl %edx
    jne 3b
5:  ret
4:  /* Words differ: compare as big-endian numbers. */
    movq (%rdi), %rax
    bswapq %rax
    bswapq %r8
    cmpq %r8, %rax
    sbbl %eax, %eax
    orl $1, %eax
    ret
6:  xorl %eax, %eax
    ret
    .section .note.GNU-stack, "", @progbits
