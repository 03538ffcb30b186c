// 24 bytes and 32 characters at a time. The method is by Wojciech Muła and Daniel Lemire ("Faster Base64 encoding and
// decoding using AVX2 instructions", 2018).
#if defined(__x86_64__)
#include <immintrin.h>

#include "vectors.h"

#define FOR_AVX2 __attribute__((target("avx2")))

FOR_AVX2 size_t encode_avx2(const uint8_t *source, size_t size, uint8_t *target) {
  const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,  //
                                          1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  // The number to add to a value to get its character, by the range of the value.
  const __m256i offsets = _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0,  //
                                           65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
  const uint8_t *start = source;
  // Each step reads 28 bytes and encodes 24 of them.
  for (; size >= 28; size -= 24, source += 24, target += 32) {
    const __m256i halves = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)source)), _mm_loadu_si128((const __m128i *)(source + 12)), 1);
    const __m256i bytes = _mm256_shuffle_epi8(halves, spread);
    const __m256i outer = _mm256_mulhi_epu16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x0FC0FC00)), _mm256_set1_epi32(0x04000040));
    const __m256i inner = _mm256_mullo_epi16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x003F03F0)), _mm256_set1_epi32(0x01000010));
    const __m256i values = _mm256_or_si256(outer, inner);
    // Ranges: 0 for the values 0 to 25, 1 for 26 to 51, then one for each value: 2 to 11 for the digits, 12 and 13 for
    // the signs.
    const __m256i range = _mm256_sub_epi8(_mm256_subs_epu8(values, _mm256_set1_epi8(51)),
                                          _mm256_cmpgt_epi8(values, _mm256_set1_epi8(25)));
    _mm256_storeu_si256((__m256i *)target, _mm256_add_epi8(values, _mm256_shuffle_epi8(offsets, range)));
  }
  return (size_t)(source - start);
}

FOR_AVX2 size_t decode_avx2(const uint8_t *source, size_t size, uint8_t *target) {
  // A character is foreign if the bits for its low half and those for its high half have one in common.
  const __m256i low_bits = _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A,  //
                                            0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
  const __m256i high_bits = _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,  //
                                             0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
  // The number to add to a character to get its value, by the high half of the character; the slash has an entry of its
  // own.
  const __m256i offsets = _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                           0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i pack = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,  //
                                        2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i gather = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
  const __m256i slash = _mm256_set1_epi8(0x2F);
  const uint8_t *start = source;
  // Each step decodes 24 bytes but writes 32, which fits into the room for 44 characters. The last of the characters
  // may be padding.
  for (; size >= 48; size -= 32, source += 32, target += 24) {
    const __m256i characters = _mm256_loadu_si256((const __m256i *)source);
    // The mask leaves some bits from the low half of the byte above. They do no harm: the shuffle checks only bit 7,
    // which the mask clears.
    const __m256i high = _mm256_and_si256(_mm256_srli_epi32(characters, 4), slash);
    const __m256i foreign = _mm256_and_si256(_mm256_shuffle_epi8(low_bits, _mm256_and_si256(characters, slash)),
                                             _mm256_shuffle_epi8(high_bits, high));
    if (!_mm256_testz_si256(foreign, foreign)) break;
    const __m256i values = _mm256_add_epi8(
        characters, _mm256_shuffle_epi8(offsets, _mm256_add_epi8(_mm256_cmpeq_epi8(characters, slash), high)));
    const __m256i merged = _mm256_madd_epi16(_mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140)),
                                             _mm256_set1_epi32(0x00011000));
    _mm256_storeu_si256((__m256i *)target, _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(merged, pack), gather));
  }
  return (size_t)(source - start);
}
#endif
