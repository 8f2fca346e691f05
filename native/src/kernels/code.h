/* What an 8-bit code is kept as, in values and in whatever kernels pass on to one another: two
 * bytes, or one. Either way codes are summed in 16 bits.
 *
 * Two bytes: one addition takes its operand from memory, which x86 does and other processors do
 * not. One byte: an instruction of ARM adds eight bytes to eight sums (UADDW), and a load of 16
 * codes serves two of them. The width is the platform's, so that all kernels of a program agree. */
#ifndef SB_KERNELS_CODE_H
#define SB_KERNELS_CODE_H

#include <stdint.h>

#ifndef SB_BYTE_CODES
#ifdef __aarch64__
#define SB_BYTE_CODES 1
#else
#define SB_BYTE_CODES 0
#endif
#endif

/* Where a product takes bytes of which both have a sign, as on ARM, images of bytes hold codes less
 * this, and the sum of a filter's weights makes up for it. */
enum { SB_CODE_CENTRE = 128 };

#if SB_BYTE_CODES
typedef uint8_t sb_code;
#else
typedef uint16_t sb_code;
#endif

#endif
