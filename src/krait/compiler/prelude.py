"""The C that every unit starts with: integer names, failed checks, counts, user copies.

With one CPU a count changes by one instruction, written as assembly: the C compiler might keep the
count in a register across an interrupt that changes it.

With `KRAIT_DEBUG` each change of a count is preceded by a look at it: a freed object has none
(`kernel/mm/heap_checks.py` overwrites it).

`KRAIT_HOST` selects the host's versions, for modules that are compiled into a test worker: a failed
check then calls `krait_fail`, and there is one CPU without `%gs`.
"""

from __future__ import annotations

PRELUDE = r"""typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long u64;
typedef signed char i8; typedef short i16; typedef int i32; typedef long i64; typedef _Bool bool;
#define true 1
#define false 0
#define KRAIT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#ifdef KRAIT_HOST
__attribute__((noreturn)) void krait_fail(const char *file, const char *line, const char *kind);
#define KRAIT_FAIL(file, line, kind) krait_fail(file, line, kind)
#define KRAIT_PERCPU(type, name) (*(type *)(void *)&(name))
#define KRAIT_PERCPU_ADDRESS(name) ((void *)&(name))
#else
#define KRAIT_FAIL(file, line, kind) do { __asm__ __inline__ volatile("1: ud2\n.pushsection .debug_krait,\"\",@progbits\n.8byte 1b\n.asciz \"" file ":" line ":" kind "\"\n.popsection"); __builtin_unreachable(); } while (0)
#define KRAIT_PERCPU(type, name) (*(type __seg_gs *)(u64)&(name))
extern u64 krait_percpu_base;
#define KRAIT_PERCPU_ADDRESS(name) ((void *)(KRAIT_PERCPU(u64, krait_percpu_base) + (u64)&(name)))
#endif
#ifdef KRAIT_DEBUG
#define KRAIT_TEXT_OF(x) #x
#define KRAIT_LINE(x) KRAIT_TEXT_OF(x)
#define KRAIT_CHECK_COUNT(p) do { u32 krait_count = *(u32 *)(void *)(p); if (KRAIT_UNLIKELY(krait_count == 0 || krait_count > 0x90000000u)) KRAIT_FAIL(__FILE__, KRAIT_LINE(__LINE__), "the object has been freed"); } while (0)
#else
#define KRAIT_CHECK_COUNT(p) do { } while (0)
#endif
#if defined(__x86_64__) && !defined(KRAIT_HOST)
#define KRAIT_COUNT_UP(p) ({ KRAIT_CHECK_COUNT(p); __asm__ volatile("incl %0" : "+m"(*(u32 *)(void *)(p)) : : "cc"); })
#define KRAIT_COUNT_DOWN(p) ({ KRAIT_CHECK_COUNT(p); bool krait_zero; __asm__ volatile("decl %0" : "+m"(*(u32 *)(void *)(p)), "=@ccz"(krait_zero)); krait_zero; })
#else
#define KRAIT_COUNT_UP(p) ((void)++*(u32 *)(void *)(p))
#define KRAIT_COUNT_DOWN(p) (--*(u32 *)(void *)(p) == 0)
#endif
#define KRAIT_RETAIN(p) KRAIT_COUNT_UP(p)
#define KRAIT_RETAIN_OPTIONAL(p) do { if (p) KRAIT_COUNT_UP(p); } while (0)
#define KRAIT_PIN() __asm__ volatile("" : : : "memory")
#define KRAIT_UNPIN() __asm__ volatile("" : : : "memory")
void *memcpy(void *, const void *, u64); void *memset(void *, int, u64);
void *memmove(void *, const void *, u64); int memcmp(const void *, const void *, u64);
void *krait_allocate(u64 size); void krait_free(void *object, u64 size);
void krait_log_open(u32 level); void krait_log_text(const u8 *text, u64 length);
void krait_log_number(u64 value, u32 format); void krait_log_close(void);
void krait_panic_begin(void); __attribute__((noreturn)) void krait_panic_stop(void);
u64 krait_user_copy(void *to, const void *from, u64 size);
u64 krait_user_copy_nofault(void *to, const void *from, u64 size);
u64 krait_user_touch(u64 address);
#ifdef KRAIT_HOST
extern u64 krait_user_top;
#else
#define krait_user_top 0x00007ffffffff000ul
#endif
struct krait_user_slice { u64 address; u64 length; };
static inline bool krait_user_range(u64 address, u64 size) { return size <= krait_user_top && address <= krait_user_top - size; }
static inline u64 krait_user_element(u64 address, u64 index, u64 size) { u64 offset, at; if (__builtin_mul_overflow(index, size, &offset) || __builtin_add_overflow(address, offset, &at)) return ~0ul; return at; }
static inline u64 krait_copy_from_user(void *to, u64 from, u64 size) { return krait_user_range(from, size) ? krait_user_copy(to, (const void *)from, size) : size; }
static inline u64 krait_copy_to_user(u64 to, const void *from, u64 size) { return krait_user_range(to, size) ? krait_user_copy((void *)to, from, size) : size; }
static inline u64 krait_copy_from_user_nofault(void *to, u64 from, u64 size) { return krait_user_range(from, size) ? krait_user_copy_nofault(to, (const void *)from, size) : size; }
static inline u64 krait_copy_to_user_nofault(u64 to, const void *from, u64 size) { return krait_user_range(to, size) ? krait_user_copy_nofault((void *)to, from, size) : size; }
static inline u64 krait_user_fault_in(u64 address, u64 length, u64 element) { u64 size; if (__builtin_mul_overflow(length, element, &size) || !krait_user_range(address, size)) return 1; for (u64 at = 0; at < size; at += 4096 - ((address + at) & 4095)) { u8 byte; if (krait_user_copy(&byte, (const void *)(address + at), 1)) return 1; } return 0; }
static inline u64 krait_user_fault_in_writable(u64 address, u64 length, u64 element) { u64 size; if (__builtin_mul_overflow(length, element, &size) || !krait_user_range(address, size)) return 1; for (u64 at = 0; at < size; at += 4096 - ((address + at) & 4095)) { if (krait_user_touch(address + at)) return 1; } return 0; }
struct krait_weak { u32 count; u32 unused; void *object; };
static inline void krait_weak_retain(struct krait_weak *w) { if (w) KRAIT_COUNT_UP(w); }
static inline void krait_weak_release(struct krait_weak *w) { if (w && KRAIT_COUNT_DOWN(w)) krait_free(w, sizeof *w); }
static inline void *krait_weak_get(struct krait_weak *w) { if (!w || !w->object) return 0; KRAIT_COUNT_UP(w->object); return w->object; }
static inline struct krait_weak *krait_weak_make(void *object, struct krait_weak **place) { if (!*place) { struct krait_weak *w = krait_allocate(sizeof *w); if (!w) return 0; w->count = 1; w->object = object; *place = w; } KRAIT_COUNT_UP(*place); return *place; }
"""
