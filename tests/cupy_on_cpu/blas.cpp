// The matrix products of cuBLAS on the CPU: float32 and float64, computed by NumPy's OpenBLAS.
#include "emulation.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <dlfcn.h>
#include <link.h>

enum { CUBLAS_STATUS_INVALID_VALUE = 7, CUBLAS_STATUS_NOT_SUPPORTED = 15 };
enum { CUDA_R_32F_ = 0, CUDA_R_64F_ = 1 };   // types of elements, then of the sums
enum { COMPUTE_32F = 68, COMPUTE_32F_PEDANTIC = 69, COMPUTE_64F = 70, COMPUTE_64F_PEDANTIC = 71 };
static int pointer_mode;

API int cublasCreate_v2(void** handle) { *handle = (void*)1; return 0; }
API int cublasDestroy_v2(void*) { return 0; }
API int cublasGetVersion_v2(void*, int* version) { *version = VERSION * 10; return 0; }
API int cublasSetStream_v2(void*, void*) { return 0; }
API int cublasGetPointerMode_v2(void*, int* mode) { *mode = pointer_mode; return 0; }
API int cublasSetPointerMode_v2(void*, int mode) { pointer_mode = mode; return 0; }
API int cublasGetMathMode(void*, int* mode) { *mode = 0; return 0; }
API int cublasSetMathMode(void*, int) { return 0; }

// A function of NumPy's OpenBLAS, or a null pointer if another BLAS is loaded
static void* openblas(const char* name) {
    static void* const library = [] {
        void* found = nullptr;
        dl_iterate_phdr([](dl_phdr_info* info, size_t, void* to) {
            if (!strstr(info->dlpi_name, "scipy_openblas64_")) return 0;
            *(void**)to = dlopen(info->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
            return 1;
        }, &found);
        return found;
    }();
    return library ? dlsym(library, name) : nullptr;
}

// C = alpha · A·B + beta · C, stored column by column; ta and tb say whether A and B are transposed
template <class T> struct Product {
    int ta, tb, m, n, k;
    T alpha, beta;
    int lda, ldb, ldc;

    bool refused() const {   // cuBLAS refuses the same arguments
        return m < 0 || n < 0 || k < 0 || lda < std::max(1, ta ? k : m)
            || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m);
    }
    void run(const T* a, const T* b, T* c) const {
        using Gemm = void (*)(int, int, int, int64_t, int64_t, int64_t, T, const T*, int64_t,
                              const T*, int64_t, T, T*, int64_t);
        enum { COLUMNS_FIRST = 102, AS_IT_IS = 111, TRANSPOSED = 112 };
        static const auto gemm = (Gemm)openblas(
            sizeof(T) == 4 ? "scipy_cblas_sgemm64_" : "scipy_cblas_dgemm64_");
        if (gemm) {
            gemm(COLUMNS_FIRST, ta ? TRANSPOSED : AS_IT_IS, tb ? TRANSPOSED : AS_IT_IS, m, n, k,
                 alpha, a, lda, b, ldb, beta, c, ldc);
            return;
        }
        for (size_t j = 0; j < size_t(n); j++)
            for (size_t i = 0; i < size_t(m); i++) {
                T sum = 0;
                for (size_t l = 0; l < size_t(k); l++)
                    sum += (ta ? a[i * lda + l] : a[l * lda + i])
                        * (tb ? b[l * ldb + j] : b[j * ldb + l]);
                T& to = c[j * ldc + i];
                to = alpha * sum + (beta == 0 ? 0 : beta * to);
            }
    }
};
template <class T>
static int strided(const Product<T>& product, const void* a, long long sa, const void* b,
                   long long sb, void* c, long long sc, int count) {
    note("gemm %d x %d,%d,%d of %zu bytes", count, product.m, product.n, product.k, sizeof(T));
    if (product.refused()) return CUBLAS_STATUS_INVALID_VALUE;
    for (int i = 0; i < count; i++)
        product.run((const T*)a + i * sa, (const T*)b + i * sb, (T*)c + i * sc);
    return 0;
}
template <class T>
static int batched(const Product<T>& product, const T** a, const T** b, T** c, int count) {
    note("gemm by pointers %d x %d,%d,%d of %zu bytes", count, product.m, product.n, product.k,
         sizeof(T));
    if (product.refused()) return CUBLAS_STATUS_INVALID_VALUE;
    for (int i = 0; i < count; i++) product.run(a[i], b[i], c[i]);
    return 0;
}

API int cublasGemmStridedBatchedEx(
        void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int at,
        int lda, long long sa, const void* b, int bt, int ldb, long long sb, const void* beta,
        void* c, int ct, int ldc, long long sc, int count, int compute, int) {
    if (at != bt || bt != ct) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (ct == CUDA_R_32F_ && (compute == COMPUTE_32F || compute == COMPUTE_32F_PEDANTIC))
        return strided<float>({ta, tb, m, n, k, *(float*)alpha, *(float*)beta, lda, ldb, ldc},
                              a, sa, b, sb, c, sc, count);
    if (ct == CUDA_R_64F_ && (compute == COMPUTE_64F || compute == COMPUTE_64F_PEDANTIC))
        return strided<double>({ta, tb, m, n, k, *(double*)alpha, *(double*)beta, lda, ldb, ldc},
                               a, sa, b, sb, c, sc, count);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}
API int cublasGemmEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha,
                     const void* a, int at, int lda, const void* b, int bt, int ldb,
                     const void* beta, void* c, int ct, int ldc, int compute, int algorithm) {
    return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, a, at, lda, 0, b, bt, ldb, 0,
                                      beta, c, ct, ldc, 0, 1, compute, algorithm);
}
API int cublasSgemmBatched(void*, int ta, int tb, int m, int n, int k, const float* alpha,
                           const float** a, int lda, const float** b, int ldb, const float* beta,
                           float** c, int ldc, int count) {
    return batched<float>({ta, tb, m, n, k, *alpha, *beta, lda, ldb, ldc}, a, b, c, count);
}
API int cublasDgemmBatched(void*, int ta, int tb, int m, int n, int k, const double* alpha,
                           const double** a, int lda, const double** b, int ldb,
                           const double* beta, double** c, int ldc, int count) {
    return batched<double>({ta, tb, m, n, k, *alpha, *beta, lda, ldb, ldc}, a, b, c, count);
}
