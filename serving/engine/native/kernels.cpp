// Two of llama.cpp's operations, faster on processors with AVX-512 VNNI: products with weights in Q8_0, Q4_0 or F16, and
// attention over a KV cache that many sequences share. Everything else stays llama.cpp's own.
//
// llama.cpp asks a list of extra kernels before it computes an operation itself; `stillroom_install` puts these at its
// front. The products are those of llama.cpp: the same activations rounded to 8 bit, whole-number sums within a block of
// 32, then a sum of floats over blocks. Weights in F16 and their activations become whole numbers of 14 bit, each block of
// 32 with a scale of its own: llama.cpp rounds such activations to F16, which is as coarse. Attention computes in 32 bit
// throughout.

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

// What is used of ggml 0.25's interface. `stillroom_install` refuses a library in which it looks otherwise.
extern "C" {
struct ggml_tensor {
    int type;
    void * buffer;
    int64_t ne[4];
    size_t nb[4];
    int op;
    int32_t op_params[16];
    int32_t flags;
    ggml_tensor * src[10];
    ggml_tensor * view_src;
    size_t view_offs;
    void * data;
    char name[64];
    void * extra;
    char padding[8];
};
struct ggml_init_params {
    size_t mem_size;
    void * mem_buffer;
    bool no_alloc;
};
struct ggml_compute_params {
    int ith, nth;
    size_t wsize;
    void * wdata;
    void * threadpool;
    bool use_ref;
};
const char * ggml_op_name(int op);
size_t ggml_tensor_overhead(void);
void * ggml_init(ggml_init_params params);
void ggml_free(void * context);
ggml_tensor * ggml_new_tensor_2d(void * context, int type, int64_t ne0, int64_t ne1);
ggml_tensor * ggml_mul_mat(void * context, ggml_tensor * a, ggml_tensor * b);
ggml_tensor * ggml_set_name(ggml_tensor * tensor, const char * name);
void ggml_barrier(void * threadpool);
void ggml_threadpool_chunk_set(void * threadpool, int value);
int ggml_threadpool_chunk_add(void * threadpool, int value);
bool ggml_backend_buffer_is_host(void * buffer);
void * ggml_backend_cpu_reg(void);
void * ggml_backend_reg_get_proc_address(void * registry, const char * name);
void * ggml_backend_reg_dev_get(void * registry, size_t index);
void quantize_row_q8_0(const float * x, void * y, int64_t k);
}
struct ggml_backend_buffer_type {
    void * iface[6];
    void * device;
    void * context;
};
std::vector<ggml_backend_buffer_type *> & ggml_backend_cpu_get_extra_buffer_types();

namespace {

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8 };
constexpr int BLOCK = 32, PANEL = 16, TILE = 64;
int MUL_MAT = -1, FLASH_ATTN = -1;

#if defined(__AVX512F__) && defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define STILLROOM_KERNELS 1
#endif

#ifdef STILLROOM_KERNELS

// 16 by 16 numbers, turned: rows in, columns out.
inline void turn(__m512 * r) {
    __m512 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
        r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
        r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
        r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
    }
    for (int i = 0; i < 4; ++i) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; ++i) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

// Weights, 16 outputs side by side: for each block of 32 inputs the codes (unsigned; 4 inputs of each output behind each
// other) and the 16 scales. Of F16: pairs of inputs, 16 bit each, and scales of 32 bit.
constexpr size_t block_bytes(int type) {
    return type == F16 ? 1024 + 4 * PANEL : (type == Q4_0 ? 256 : 512) + 2 * PANEL;
}

struct Packed {
    int type;
    int64_t inputs, outputs;
    uint8_t * data;
    const void * owner;

    const uint8_t * panel(int64_t number) const { return data + number * (inputs / BLOCK) * block_bytes(type); }
    ~Packed() { free(data); }
};

// What was seen while its owner was taken in: its weights by their place, and the memory of its KV cache.
std::shared_mutex guard;
std::unordered_map<const void *, std::unique_ptr<Packed>> packed;
std::unordered_map<const void *, const void *> caches;
thread_local const void * packing = nullptr;

// A block of 16 rows of codes, and their scales.
void pack_codes(bool four, const uint8_t * const * rows, uint8_t * out) {
    for (int lane = 0; lane < PANEL; ++lane) {
        memcpy(out + (four ? 256 : 512) + 2 * lane, rows[lane], 2);
        uint8_t codes[BLOCK];
        // A byte of Q4_0 holds input i and, in its high half, input i + 16.
        if (four) memcpy(codes, rows[lane] + 2, BLOCK / 2);
        else for (int i = 0; i < BLOCK; ++i) codes[i] = rows[lane][2 + i] ^ 0x80;
        for (int group = 0; group < (four ? 4 : 8); ++group) memcpy(out + 64 * group + 4 * lane, codes + 4 * group, 4);
    }
}

// 32 numbers as whole ones of 14 bit with their sign: 32 products of two such fit into 32 bit. Returns the scale.
inline float to_codes(__m512 a, __m512 b, __m512i & codes) {
    const float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    const __m512 by = _mm512_set1_ps(most > 0 ? 8191 / most : 0);
    const __m256i low = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(a, by)));
    const __m256i high = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(b, by)));
    codes = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    return most / 8191;
}

// A block of 16 rows of F16.
void pack_halves(const uint8_t * const * rows, uint8_t * out) {
    __m512 lines[16];
    float scales[PANEL];
    for (int lane = 0; lane < PANEL; ++lane) {
        __m512i codes;
        scales[lane] = to_codes(_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) rows[lane])),
                                _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (rows[lane] + BLOCK))), codes);
        lines[lane] = _mm512_castsi512_ps(codes);
    }
    turn(lines);
    for (int pair = 0; pair < 16; ++pair) _mm512_storeu_ps(out + 64 * pair, lines[pair]);
    memcpy(out + 1024, scales, sizeof(scales));
}

std::unique_ptr<Packed> pack(const ggml_tensor * weights) {
    auto made = std::make_unique<Packed>();
    made->type = weights->type;
    made->inputs = weights->ne[0];
    made->outputs = weights->ne[1];
    made->owner = packing;
    const int64_t blocks = made->inputs / BLOCK;
    made->data = (uint8_t *) aligned_alloc(64, (made->outputs / PANEL * blocks * block_bytes(made->type) + 63) / 64 * 64);
    if (!made->data) return nullptr;
    const size_t source = made->type == F16 ? 2 * BLOCK : made->type == Q4_0 ? 18 : 34;
    for (int64_t first = 0; first < made->outputs; first += PANEL) {
        uint8_t * out = (uint8_t *) made->panel(first / PANEL);
        for (int64_t block = 0; block < blocks; ++block, out += block_bytes(made->type)) {
            const uint8_t * rows[PANEL];
            for (int lane = 0; lane < PANEL; ++lane) {
                rows[lane] = (const uint8_t *) weights->data + (first + lane) * weights->nb[1] + block * source;
            }
            if (made->type == F16) pack_halves(rows, out);
            else pack_codes(made->type == Q4_0, rows, out);
        }
    }
    return made;
}

bool packable(const ggml_tensor * weights) {
    return weights->type == Q8_0 || weights->type == Q4_0 || weights->type == F16;
}

const Packed * find(const ggml_tensor * op) {
    const ggml_tensor * weights = op->src[0];
    const ggml_tensor * inputs = op->src[1];
    if (!packable(weights)) return nullptr;
    if (weights->type == F16 && weights->op) return nullptr; // the KV cache, for instance: nothing that stays
    if (inputs->type != F32 || op->type != F32 || inputs->nb[0] != 4 || op->nb[0] != 4) return nullptr;
    if (weights->ne[2] != 1 || weights->ne[3] != 1 || inputs->ne[2] != 1 || inputs->ne[3] != 1) return nullptr;
    if (weights->ne[0] % BLOCK || weights->ne[1] % (2 * PANEL)) return nullptr;
    {
        std::shared_lock<std::shared_mutex> lock(guard);
        auto known = packed.find(weights->data);
        if (known != packed.end()) {
            const Packed & found = *known->second;
            const bool same = found.inputs == weights->ne[0] && found.outputs == weights->ne[1];
            return same && found.type == weights->type ? &found : nullptr;
        }
    }
    // In memory of another kind, llama.cpp has laid them out in its own way.
    if (!packing || !weights->buffer || !ggml_backend_buffer_is_host(weights->buffer)) return nullptr;
    auto made = pack(weights);
    if (!made) return nullptr;
    std::unique_lock<std::shared_mutex> lock(guard);
    return (packed[weights->data] = std::move(made)).get();
}

// Activations of some tokens in 8 bit: codes, the scale of each block, and what the weights' offset adds to its sum.
// The memory is all threads'; each fills some tokens, with scratch of its own.
template <int TYPE>
struct Rows {
    int64_t blocks;
    int8_t * codes;
    float * scales;
    int32_t * offsets;
    uint8_t * scratch;

    Rows(void * memory, int64_t tokens, int64_t inputs, int thread) : blocks(inputs / BLOCK) {
        codes = (int8_t *) (((uintptr_t) memory + 63) & ~(uintptr_t) 63);
        scales = (float *) (codes + tokens * inputs);
        offsets = (int32_t *) (scales + tokens * blocks);
        scratch = (uint8_t *) (offsets + tokens * blocks) + thread * (blocks * 34 + 64);
    }
    static size_t bytes(int64_t tokens, int64_t inputs, int threads) {
        return 64 + tokens * (inputs + inputs / BLOCK * 8) + threads * (inputs / BLOCK * 34 + 64);
    }

    void fill(int64_t token, const float * row) {
        quantize_row_q8_0(row, scratch, blocks * BLOCK);
        for (int64_t block = 0; block < blocks; ++block) {
            const uint8_t * in = scratch + 34 * block;
            uint16_t scale;
            memcpy(&scale, in, 2);
            scales[token * blocks + block] = _cvtsh_ss(scale);
            const __m256i values = _mm256_loadu_si256((const __m256i *) (in + 2));
            _mm256_storeu_si256((__m256i *) (codes + (token * blocks + block) * BLOCK), values);
            const __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), values);
            __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
            half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
            half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
            offsets[token * blocks + block] = -(TYPE == Q4_0 ? 8 : 128) * _mm_cvtsi128_si32(half);
        }
    }
};

// Those for weights in F16.
template <>
struct Rows<F16> {
    int64_t blocks;
    int16_t * codes;
    float * scales;

    Rows(void * memory, int64_t tokens, int64_t inputs, int) : blocks(inputs / BLOCK) {
        codes = (int16_t *) (((uintptr_t) memory + 63) & ~(uintptr_t) 63);
        scales = (float *) (codes + tokens * inputs);
    }
    static size_t bytes(int64_t tokens, int64_t inputs, int) { return 64 + tokens * (2 * inputs + inputs / BLOCK * 4); }

    void fill(int64_t token, const float * row) {
        for (int64_t block = 0; block < blocks; ++block, row += BLOCK) {
            __m512i found;
            scales[token * blocks + block] = to_codes(_mm512_loadu_ps(row), _mm512_loadu_ps(row + 16), found);
            _mm512_storeu_si512(codes + (token * blocks + block) * BLOCK, found);
        }
    }
};

template <typename CODES>
inline __m512i spread(const CODES * codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm512_set1_epi32(four);
}

// The whole-number sums of a block, T tokens times 32 outputs.
template <int T, int TYPE>
inline void sum_block(const uint8_t * left, const uint8_t * right, const Rows<TYPE> & rows, int64_t first, __m512i (*whole)[2]) {
    const int64_t blocks = rows.blocks;
    if constexpr (TYPE == F16) {
        for (int t = 0; t < T; ++t) whole[t][0] = whole[t][1] = _mm512_setzero_si512();
        for (int pair = 0; pair < 16; ++pair) {
            const __m512i a = _mm512_loadu_si512(left + 64 * pair), b = _mm512_loadu_si512(right + 64 * pair);
            for (int t = 0; t < T; ++t) {
                const __m512i two = spread(rows.codes + (first + t * blocks) * BLOCK + 2 * pair);
                whole[t][0] = _mm512_dpwssd_epi32(whole[t][0], a, two);
                whole[t][1] = _mm512_dpwssd_epi32(whole[t][1], b, two);
            }
        }
    } else {
        const __m512i low = _mm512_set1_epi8(15);
        for (int t = 0; t < T; ++t) whole[t][0] = whole[t][1] = _mm512_set1_epi32(rows.offsets[first + t * blocks]);
        for (int group = 0; group < (TYPE == Q4_0 ? 4 : 8); ++group) {
            __m512i a = _mm512_loadu_si512(left + 64 * group), b = _mm512_loadu_si512(right + 64 * group);
            __m512i a2, b2;
            if (TYPE == Q4_0) {
                a2 = _mm512_and_si512(_mm512_srli_epi16(a, 4), low);
                b2 = _mm512_and_si512(_mm512_srli_epi16(b, 4), low);
                a = _mm512_and_si512(a, low);
                b = _mm512_and_si512(b, low);
            }
            for (int t = 0; t < T; ++t) {
                const int8_t * codes = rows.codes + (first + t * blocks) * BLOCK + 4 * group;
                __m512i four = spread(codes);
                whole[t][0] = _mm512_dpbusd_epi32(whole[t][0], a, four);
                whole[t][1] = _mm512_dpbusd_epi32(whole[t][1], b, four);
                if (TYPE == Q4_0) {
                    four = spread(codes + 16);
                    whole[t][0] = _mm512_dpbusd_epi32(whole[t][0], a2, four);
                    whole[t][1] = _mm512_dpbusd_epi32(whole[t][1], b2, four);
                }
            }
        }
    }
}

// The scales of a block of 16 outputs, which stand behind its codes.
template <int TYPE>
inline __m512 scales_of(const uint8_t * block) {
    if constexpr (TYPE == F16) return _mm512_loadu_ps(block + block_bytes(TYPE) - 4 * PANEL);
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (block + block_bytes(TYPE) - 2 * PANEL)));
}

// T tokens times 32 outputs.
template <int T, int TYPE>
void multiply(const uint8_t * left, const uint8_t * right, const Rows<TYPE> & rows, int64_t token, float * out, size_t stride) {
    const int64_t blocks = rows.blocks;
    __m512 sums[T][2];
    for (int t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm512_setzero_ps();
    for (int64_t block = 0; block < blocks; ++block, left += block_bytes(TYPE), right += block_bytes(TYPE)) {
        const int64_t first = token * blocks + block;
        __m512i whole[T][2];
        sum_block<T, TYPE>(left, right, rows, first, whole);
        const __m512 a = scales_of<TYPE>(left), b = scales_of<TYPE>(right);
        for (int t = 0; t < T; ++t) {
            const __m512 scale = _mm512_set1_ps(rows.scales[first + t * blocks]);
            sums[t][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[t][0]), _mm512_mul_ps(a, scale), sums[t][0]);
            sums[t][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[t][1]), _mm512_mul_ps(b, scale), sums[t][1]);
        }
    }
    for (int t = 0; t < T; ++t) {
        _mm512_storeu_ps(out + t * stride, sums[t][0]);
        _mm512_storeu_ps(out + t * stride + PANEL, sums[t][1]);
    }
}

template <int TYPE>
void multiply_all(const Packed & weights, const Rows<TYPE> & rows, int64_t tokens, int64_t pair, float * out, size_t stride) {
    const uint8_t * left = weights.panel(2 * pair);
    const uint8_t * right = weights.panel(2 * pair + 1);
    int64_t token = 0;
    for (; token + 4 <= tokens; token += 4) multiply<4, TYPE>(left, right, rows, token, out + token * stride, stride);
    switch (tokens - token) {
        case 3: multiply<3, TYPE>(left, right, rows, token, out + token * stride, stride); break;
        case 2: multiply<2, TYPE>(left, right, rows, token, out + token * stride, stride); break;
        case 1: multiply<1, TYPE>(left, right, rows, token, out + token * stride, stride); break;
    }
}

size_t product_size(const Packed & weights, int64_t tokens, int threads) {
    return (weights.type == F16 ? Rows<F16>::bytes : Rows<Q8_0>::bytes)(tokens, weights.inputs, threads);
}

template <int TYPE>
void product(const Packed & weights, const ggml_compute_params * params, ggml_tensor * op) {
    const ggml_tensor * inputs = op->src[1];
    const int64_t tokens = inputs->ne[1];
    Rows<TYPE> rows(params->wdata, tokens, weights.inputs, params->ith);
    for (int64_t token = params->ith; token < tokens; token += params->nth) {
        rows.fill(token, (const float *) ((const char *) inputs->data + token * inputs->nb[1]));
    }
    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    const int64_t pairs = weights.outputs / (2 * PANEL);
    // Small pieces, so that nobody waits long for a thread that was held up; not so small that they fight for the count.
    const int64_t piece = pairs >= 64 * params->nth ? 8 : 1;
    for (int64_t at = params->ith; at * piece < pairs; at = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        for (int64_t pair = at * piece; pair < pairs && pair < (at + 1) * piece; ++pair) {
            multiply_all<TYPE>(weights, rows, tokens, pair, (float *) op->data + pair * 2 * PANEL, op->nb[1] / 4);
        }
    }
}

inline __m512 exponential(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
    __m512 rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), x);
    rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), rest);
    __m512 sum = _mm512_set1_ps(1.9875691500e-4f);
    for (float next : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) {
        sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(next));
    }
    sum = _mm512_fmadd_ps(sum, _mm512_mul_ps(rest, rest), _mm512_add_ps(rest, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(sum, whole);
}

// R rows of `inner` numbers times a matrix of 16 C columns, added to or put into R rows.
template <int R, int C, bool ADD>
void times(const float * const * rows, int inner, const float * matrix, size_t stride, float * const * out) {
    __m512 sums[R][C];
    for (int r = 0; r < R; ++r) {
        for (int c = 0; c < C; ++c) sums[r][c] = ADD ? _mm512_loadu_ps(out[r] + 16 * c) : _mm512_setzero_ps();
    }
    for (int i = 0; i < inner; ++i) {
        __m512 line[C];
        for (int c = 0; c < C; ++c) line[c] = _mm512_loadu_ps(matrix + i * stride + 16 * c);
        for (int r = 0; r < R; ++r) {
            const __m512 value = _mm512_set1_ps(rows[r][i]);
            for (int c = 0; c < C; ++c) sums[r][c] = _mm512_fmadd_ps(value, line[c], sums[r][c]);
        }
    }
    for (int r = 0; r < R; ++r) {
        for (int c = 0; c < C; ++c) _mm512_storeu_ps(out[r] + 16 * c, sums[r][c]);
    }
}

template <int C, bool ADD>
void times_all(int count, const float * const * rows, int inner, const float * matrix, size_t stride,
               float * const * out) {
    int at = 0;
    for (; at + 6 <= count; at += 6) times<6, C, ADD>(rows + at, inner, matrix, stride, out + at);
    switch (count - at) {
        case 5: times<5, C, ADD>(rows + at, inner, matrix, stride, out + at); break;
        case 4: times<4, C, ADD>(rows + at, inner, matrix, stride, out + at); break;
        case 3: times<3, C, ADD>(rows + at, inner, matrix, stride, out + at); break;
        case 2: times<2, C, ADD>(rows + at, inner, matrix, stride, out + at); break;
        case 1: times<1, C, ADD>(rows + at, inner, matrix, stride, out + at); break;
    }
}

constexpr int MOST_TOKENS = 32, MOST_SIZE = 128, MOST_HEADS = 16, WORTH_SHARING = 16;

// A thread's memory for one piece of attention: some tokens in the query heads of one key head.
struct alignas(64) Attention {
    float keys[MOST_SIZE * TILE];   // turned: [dimension][cell]
    float values[TILE * MOST_SIZE]; // [cell][dimension]
    float queries[MOST_TOKENS * MOST_HEADS * MOST_SIZE];
    float sums[MOST_TOKENS * MOST_HEADS * MOST_SIZE];
    float scores[MOST_TOKENS * MOST_HEADS * TILE];
    float highest[MOST_TOKENS * MOST_HEADS], total[MOST_TOKENS * MOST_HEADS];
    const float * from[MOST_TOKENS * MOST_HEADS];
    float * to[MOST_TOKENS * MOST_HEADS];
    float * into[MOST_TOKENS * MOST_HEADS];
    const float * weights[MOST_TOKENS * MOST_HEADS];

    const ggml_tensor * op;
    int64_t head, words;
    int size, heads, tokens;
    const uint64_t * seen;                // which cells a token sees: [token][word], a bit each
    uint32_t * sharers;                   // of each word: the runs that see the same of it, if they are several
    int runs, ends[MOST_TOKENS];          // tokens of one sequence: behind each other, each sees what the last one saw
    int picked, places[2 * TILE];         // cells for the next tile,
    uint64_t who[MOST_TOKENS][2];         // and who sees them
};

bool attends(const ggml_tensor * op) {
    const ggml_tensor *q = op->src[0], *k = op->src[1], *v = op->src[2], *mask = op->src[3];
    float most_bias, softcap;
    memcpy(&most_bias, op->op_params + 1, 4);
    memcpy(&softcap, op->op_params + 2, 4);
    const int64_t size = q->ne[0], heads = k->ne[2] ? q->ne[2] / k->ne[2] : 0;
    return mask && !op->src[4] && most_bias == 0 && softcap == 0 && q->type == F32 && k->type == F16 && v->type == F16 &&
           mask->type == F16 && q->ne[3] == 1 && k->ne[3] == 1 && mask->ne[2] == 1 && mask->ne[3] == 1 &&
           (size == 64 || size == 128) && v->ne[0] == size && v->ne[2] == k->ne[2] && heads >= 1 &&
           heads <= MOST_HEADS && heads * k->ne[2] == q->ne[2] && q->nb[0] == 4 && k->nb[0] == 2 && v->nb[0] == 2 &&
           mask->nb[0] == 2;
}

bool known_cache(const ggml_tensor * op) {
    const void * memory = op->src[1]->buffer;
    {
        std::shared_lock<std::shared_mutex> lock(guard);
        if (caches.count(memory)) return true;
    }
    if (!packing || !memory) return false;
    std::unique_lock<std::shared_mutex> lock(guard);
    caches[memory] = packing;
    return true;
}

// Which of up to 64 cells a token may see, a bit each.
inline uint64_t visible(const uint16_t * mask, int64_t cells) {
    const __m512i hidden = _mm512_set1_epi16((short) 0xfc00); // minus infinity
    uint64_t bits = 0;
    for (int half = 0; half < 2; ++half) {
        const int64_t left = cells - 32 * half;
        const __mmask32 there = left >= 32 ? ~0u : left <= 0 ? 0u : (1u << left) - 1;
        const __m512i line = _mm512_maskz_loadu_epi16(there, mask + 32 * half);
        bits |= (uint64_t) _mm512_mask_cmpneq_epi16_mask(there, line, hidden) << (32 * half);
    }
    return bits;
}

// 16 of the picked cells, from `cell` on: keys turned, values as they are. Beyond `cells` stands one again that is not read.
void unpack(Attention & at, int cell, int cells) {
    const ggml_tensor *k = at.op->src[1], *v = at.op->src[2];
    const char *keys[16], *values[16];
    for (int i = 0; i < 16; ++i) {
        const int64_t place = at.places[cell + i < cells ? cell + i : cell];
        keys[i] = (const char *) k->data + place * k->nb[1] + at.head * k->nb[2];
        values[i] = (const char *) v->data + place * v->nb[1] + at.head * v->nb[2];
    }
    for (int part = 0; part < at.size; part += 16) {
        __m512 lines[16];
        for (int i = 0; i < 16; ++i) {
            lines[i] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (keys[i] + 2 * part)));
            const __m512 value = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (values[i] + 2 * part)));
            _mm512_storeu_ps(at.values + (cell + i) * at.size + part, value);
        }
        turn(lines);
        for (int i = 0; i < 16; ++i) _mm512_storeu_ps(at.keys + (part + i) * TILE + cell, lines[i]);
    }
}

// The first `cells` of the picked ones, for the tokens that see any of them.
void tile(Attention & at, int cells) {
    const int size = at.size, heads = at.heads;
    int rows = 0, which[MOST_TOKENS * MOST_HEADS];
    for (int t = 0; t < at.tokens; ++t) {
        for (int h = 0; at.who[t][0] && h < heads; ++h, ++rows) {
            const int r = which[rows] = t * heads + h;
            at.from[rows] = at.queries + r * size;
            at.weights[rows] = at.to[rows] = at.scores + r * TILE;
            at.into[rows] = at.sums + r * size;
        }
    }
    const int blocks = (cells + 15) / 16;
    for (int block = 0; block < blocks; ++block) unpack(at, 16 * block, cells);
    switch (blocks) {
        case 1: times_all<1, false>(rows, at.from, size, at.keys, TILE, at.to); break;
        case 2: times_all<2, false>(rows, at.from, size, at.keys, TILE, at.to); break;
        case 3: times_all<3, false>(rows, at.from, size, at.keys, TILE, at.to); break;
        case 4: times_all<4, false>(rows, at.from, size, at.keys, TILE, at.to); break;
    }
    for (int row = 0; row < rows; ++row) {
        const int r = which[row];
        const uint64_t bits = at.who[r / heads][0];
        __m512 parts[4], top = _mm512_set1_ps(-INFINITY);
        for (int c = 0; c < blocks; ++c) {
            parts[c] = _mm512_mask_loadu_ps(_mm512_set1_ps(-INFINITY), (__mmask16) (bits >> (16 * c)), at.to[row] + 16 * c);
            top = _mm512_max_ps(top, parts[c]);
        }
        const float highest = fmaxf(at.highest[r], _mm512_reduce_max_ps(top));
        if (highest > at.highest[r]) {
            const float less = expf(at.highest[r] - highest);
            at.total[r] *= less;
            for (int i = 0; i < size; i += 16) {
                float * sum = at.into[row] + i;
                _mm512_storeu_ps(sum, _mm512_mul_ps(_mm512_loadu_ps(sum), _mm512_set1_ps(less)));
            }
            at.highest[r] = highest;
        }
        __m512 total = _mm512_setzero_ps();
        for (int c = 0; c < blocks; ++c) {
            const __m512 share = _mm512_maskz_mov_ps(
                (__mmask16) (bits >> (16 * c)), exponential(_mm512_sub_ps(parts[c], _mm512_set1_ps(highest))));
            total = _mm512_add_ps(total, share);
            _mm512_storeu_ps(at.to[row] + 16 * c, share);
        }
        at.total[r] += _mm512_reduce_add_ps(total);
    }
    for (int part = 0; part < size; part += 64) {
        times_all<4, true>(rows, at.weights, cells, at.values + part, size, at.into);
        for (int row = 0; row < rows; ++row) at.into[row] += 64;
    }
}

// What was picked and fills no tile.
void rest(Attention & at) {
    if (!at.picked) return;
    tile(at, at.picked);
    at.picked = 0;
    memset(at.who, 0, sizeof(at.who[0]) * at.tokens);
}

// Some cells of a word, for the tokens of these runs: side by side with those picked before, however far apart they lie.
void pick(Attention & at, uint32_t runs, int64_t word, uint64_t cells) {
    const int bit = at.picked;
    for (uint64_t left = cells; left; left &= left - 1) at.places[at.picked++] = 64 * word + __builtin_ctzll(left);
    int first = 0;
    for (int run = 0; run < at.runs; first = at.ends[run++]) {
        for (int t = first; (runs >> run & 1) && t < at.ends[run]; ++t) {
            const uint64_t part = _pext_u64(at.seen[t * at.words + word], cells);
            at.who[t][0] |= part << bit;
            if (bit) at.who[t][1] |= part >> (64 - bit);
        }
    }
    if (at.picked < TILE) return;
    tile(at, TILE);
    at.picked -= TILE;
    memcpy(at.places, at.places + TILE, at.picked * sizeof(int));
    for (int t = 0; t < at.tokens; ++t) at.who[t][0] = at.who[t][1], at.who[t][1] = 0;
}

// The cells of a word that several runs see, if they see the same and enough of it: who they are goes into `sharers`.
uint64_t shared(Attention & at, int64_t word) {
    uint32_t runs = 0;
    uint64_t cells = 0;
    at.sharers[word] = 0;
    for (int run = 0; run < at.runs; ++run) {
        const uint64_t here = at.seen[(at.ends[run] - 1) * at.words + word];
        if (!here) continue;
        if (cells && here != cells) return 0;
        cells = here;
        runs |= 1u << run;
    }
    if (!(runs & (runs - 1)) || __builtin_popcountll(cells) < WORTH_SHARING) return 0;
    at.sharers[word] = runs;
    return cells;
}

// Words of 64 bits, one for each cell of the cache.
int64_t words_of(const ggml_tensor * op) { return (op->src[1]->ne[1] + 63) / 64; }

// Tokens from `first` to `last` in the query heads of one key head. What several sequences see, a prefix, is computed
// for all of them at once; the cells of one alone, which lie between those of others, are put together first.
void attend(const ggml_tensor * op, int64_t head, int64_t first, int64_t last, const uint64_t * seen,
            uint32_t * sharers, Attention & at) {
    const ggml_tensor *q = op->src[0], *k = op->src[1];
    const int size = at.size = (int) q->ne[0], heads = at.heads = (int) (q->ne[2] / k->ne[2]);
    at.op = op, at.head = head, at.words = words_of(op), at.tokens = (int) (last - first);
    at.seen = seen + first * at.words, at.sharers = sharers;
    at.runs = at.picked = 0;
    float scale;
    memcpy(&scale, op->op_params, 4);
    for (int t = 0; t < at.tokens; ++t) {
        for (int h = 0; h < heads; ++h) {
            const float * row = (const float *) ((const char *) q->data + (first + t) * q->nb[1] + (head * heads + h) * q->nb[2]);
            const int r = t * heads + h;
            for (int i = 0; i < size; ++i) at.queries[r * size + i] = row[i] * scale;
            at.highest[r] = -INFINITY;
            at.total[r] = 0;
        }
        uint64_t lost = 0;
        for (int64_t w = 0; t + 1 < at.tokens && w < at.words; ++w) {
            lost |= at.seen[t * at.words + w] & ~at.seen[(t + 1) * at.words + w];
        }
        if (lost || t + 1 == at.tokens) at.ends[at.runs++] = t + 1;
    }
    memset(at.sums, 0, sizeof(float) * at.tokens * heads * size);
    memset(at.who, 0, sizeof(at.who[0]) * at.tokens);
    uint32_t before = 0;
    for (int64_t word = 0; word < at.words; ++word) {
        const uint64_t cells = shared(at, word);
        if (!cells) continue;
        if (at.sharers[word] != before) rest(at);
        pick(at, before = at.sharers[word], word, cells);
    }
    rest(at);
    for (int run = 0; run < at.runs; ++run) {
        for (int64_t word = 0; word < at.words; ++word) {
            const uint64_t here = at.seen[(at.ends[run] - 1) * at.words + word];
            if (here && !at.sharers[word]) pick(at, 1u << run, word, here);
        }
        rest(at);
    }
    for (int t = 0; t < at.tokens; ++t) {
        for (int h = 0; h < heads; ++h) {
            const int r = t * heads + h;
            float * out = (float *) ((char *) op->data + (first + t) * op->nb[2] + (head * heads + h) * op->nb[1]);
            const float less = at.total[r] == 0 ? 0 : 1 / at.total[r];
            for (int i = 0; i < size; ++i) out[i] = at.sums[r * size + i] * less;
        }
    }
}

size_t attention_size(int threads, const ggml_tensor * op) {
    const int64_t words = words_of(op);
    return 64 + threads * (sizeof(Attention) + words * sizeof(uint32_t)) + op->src[0]->ne[1] * words * sizeof(uint64_t);
}

void attention(const ggml_compute_params * params, ggml_tensor * op) {
    const ggml_tensor * mask = op->src[3];
    const int64_t tokens = op->src[0]->ne[1], heads = op->src[1]->ne[2], cells = op->src[1]->ne[1];
    const int64_t words = words_of(op);
    Attention * all = (Attention *) (((uintptr_t) params->wdata + 63) & ~(uintptr_t) 63);
    uint64_t * seen = (uint64_t *) (all + params->nth);
    uint32_t * sharers = (uint32_t *) (seen + tokens * words) + params->ith * words;
    for (int64_t token = params->ith; token < tokens; token += params->nth) {
        const uint16_t * line = (const uint16_t *) ((const char *) mask->data + token * mask->nb[1]);
        for (int64_t word = 0; word < words; ++word) seen[token * words + word] = visible(line + 64 * word, cells - 64 * word);
    }
    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    // Many tokens at once share the unpacked keys; few enough that every thread has work.
    int64_t at_once = (tokens * heads + 4 * params->nth - 1) / (4 * params->nth);
    at_once = at_once < 1 ? 1 : at_once > MOST_TOKENS ? MOST_TOKENS : at_once;
    const int64_t pieces = (tokens + at_once - 1) / at_once;
    for (int64_t at = params->ith; at < pieces * heads; at = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        const int64_t first = at / heads * at_once;
        attend(op, at % heads, first, first + at_once < tokens ? first + at_once : tokens, seen, sharers,
               all[params->ith]);
    }
}

// The shape of ggml's classes of extra kernels: the order of their virtual functions is what is called.
struct Traits {
    virtual ~Traits() {}
    virtual bool work_size(int threads, const ggml_tensor * op, size_t & size) {
        if (op->op == MUL_MAT) {
            const Packed * weights = find(op);
            if (!weights) return false;
            size = product_size(*weights, op->src[1]->ne[1], threads);
            return true;
        }
        size = attention_size(threads, op);
        return true;
    }
    virtual bool compute_forward(ggml_compute_params * params, ggml_tensor * op) {
        if (params->use_ref) return false;
        if (op->op == FLASH_ATTN) {
            attention(params, op);
            return true;
        }
        const Packed * weights = find(op);
        if (!weights) return false;
        switch (weights->type) {
            case F16: product<F16>(*weights, params, op); break;
            case Q4_0: product<Q4_0>(*weights, params, op); break;
            case Q8_0: product<Q8_0>(*weights, params, op); break;
        }
        return true;
    }
};

struct Kernels {
    Traits traits;
    virtual ~Kernels() {}
    virtual bool supports_op(void *, const ggml_tensor *) { return false; }
    virtual Traits * get_tensor_traits(const ggml_tensor * op) {
        if (op->op == MUL_MAT) return packable(op->src[0]) ? &traits : nullptr;
        return op->op == FLASH_ATTN && attends(op) && known_cache(op) ? &traits : nullptr;
    }
};

// Whether a tensor of this library is what is declared above.
bool same_layout() {
    void * context = ggml_init({1 << 16, nullptr, false});
    if (!context) return false;
    ggml_tensor * a = ggml_set_name(ggml_new_tensor_2d(context, F32, 32, 3), "stillroom");
    ggml_tensor * b = ggml_new_tensor_2d(context, F32, 32, 5);
    const ggml_tensor * c = ggml_mul_mat(context, a, b);
    const bool same = a->ne[0] == 32 && a->ne[1] == 3 && a->nb[1] == 128 && !strcmp(a->name, "stillroom") && a->data &&
                      c->op == MUL_MAT && c->src[0] == a && c->src[1] == b && c->ne[0] == 3 && c->ne[1] == 5 &&
                      !c->src[2] && (char *) c->data > (char *) a->data;
    ggml_free(context);
    return same;
}

int operation(const char * name) {
    for (int op = 0;; ++op) {
        const char * found = ggml_op_name(op);
        if (!strcmp(found, name)) return op;
        if (!strcmp(found, "GLU")) return -1; // the last one
    }
}

#endif

} // namespace

extern "C" {

// 0: installed. 1: this processor lacks what they need. 2: this llama.cpp is another than they are made for. To be called
// once.
int stillroom_install() {
#ifdef STILLROOM_KERNELS
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("bmi2")) return 1;
    MUL_MAT = operation("MUL_MAT");
    FLASH_ATTN = operation("FLASH_ATTN_EXT");
    if (MUL_MAT < 0 || FLASH_ATTN < 0 || !same_layout()) return 2;
    // From here on llama.cpp keeps a copy of the list as the kinds of memory that weights may lie in; ours is none.
    void * registry = ggml_backend_cpu_reg();
    auto kinds = (void * (*) (void *) ) ggml_backend_reg_get_proc_address(registry, "ggml_backend_dev_get_extra_bufts");
    if (!kinds) return 2;
    kinds(ggml_backend_reg_dev_get(registry, 0));
    static Kernels kernels;
    static ggml_backend_buffer_type entry = {};
    entry.context = &kernels;
    auto & list = ggml_backend_cpu_get_extra_buffer_types();
    list.insert(list.begin(), &entry);
    return 0;
#else
    return 1;
#endif
}

// The weights and the KV cache that this thread computes with from now on are taken in for `owner`; null: no more.
void stillroom_take_in(const void * owner) {
#ifdef STILLROOM_KERNELS
    packing = owner;
#endif
}

// Give the memory of an owner's packed weights back; nobody may compute with them any more.
void stillroom_forget(const void * owner) {
#ifdef STILLROOM_KERNELS
    std::unique_lock<std::shared_mutex> lock(guard);
    for (auto at = packed.begin(); at != packed.end();) at = at->second->owner == owner ? packed.erase(at) : ++at;
    for (auto at = caches.begin(); at != caches.end();) at = at->second == owner ? caches.erase(at) : ++at;
#endif
}

}
