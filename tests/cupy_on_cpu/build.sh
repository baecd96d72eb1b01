#!/bin/sh
# build.sh DIR: build an environment in DIR in which CuPy runs on the CPU; README.md says how it
# works.  Half a minute and 0.4 GB.  Then `. DIR/env.sh`: python is DIR's own.
#
# A finished DIR is left as it is, unless these files or Python have changed.  PYTHON names another
# Python than python3.  Exit status 3: this machine cannot build it, and one sentence says why.
set -eu
unset PYTHONPATH PYTHONHOME PIP_TARGET    # they would reach into the environment

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
. "$here/versions.sh"

cannot() { echo "CuPy on the CPU cannot be built here: $*." >&2; exit 3; }
[ "$(uname -sm)" = "Linux x86_64" ] || cannot "it needs Linux on x86-64, this is $(uname -sm)"
command -v g++ > /dev/null || cannot "there is no g++ (Debian: apt install g++)"
command -v nm > /dev/null || cannot "there is no nm (Debian: apt install binutils)"
command -v "$python" > /dev/null || cannot "there is no $python"
"$python" -c 'import ensurepip, venv' 2> /dev/null ||
    cannot "$python has no venv (Debian: apt install python3-venv)"
include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
[ -f "$include/Python.h" ] || cannot "there is no $include/Python.h (Debian: apt install python3-dev)"

# Only an empty folder or one that this script has made is written to.  env.sh is written last: a
# folder with the right stamp and without env.sh is a build that was interrupted.
if [ -e "$1" ] && [ ! -e "$1/stamp" ] && [ -n "$(ls -A "$1")" ]; then
    echo "$0: $1 exists and is not empty, and this script has not made it" >&2
    exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
stamp=$({ "$python" -VV; echo "$dir"; cat "$here"/*.sh "$here"/*.cpp "$here"/*.h "$here"/*.map; } |
    sha256sum)
if [ "$(cat "$dir/stamp" 2> /dev/null)" = "$stamp" ] && [ -e "$dir/env.sh" ]; then exit 0; fi
cd "$dir"
rm -rf env.sh venv cache cuda headers build
echo "$stamp" > stamp
mkdir -p cache cuda/lib64 build
trap 'rm -rf "$dir/build"' EXIT
trap 'exit 1' HUP INT TERM

pip() { "$1/bin/python" -m pip --disable-pip-version-check -q "$2" $3; }    # $3: words

echo "CuPy $CUPY in $dir/venv"
"$python" -m venv venv
pip venv install "cupy-cuda13x==$CUPY"
site=$(venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["platlib"])')

echo "the headers of CUDA, the source of CuPy, Cython"
pip venv install "--no-deps --target headers nvidia-cuda-runtime==$RUNTIME \
    nvidia-cuda-crt==$CRT nvidia-cuda-profiler-api==$PROFILER"
rm -rf headers/nvidia/cu13/lib     # NVIDIA's own libcudart
ln -s ../headers/nvidia/cu13/include cuda/include
"$python" -m venv build/venv
pip build/venv install "cython==$CYTHON setuptools>=77 wheel numpy"
CUPY_INSTALL_USE_STUB=1 pip build/venv download "--no-deps --no-binary cupy \
    --no-build-isolation -d build cupy==$CUPY"
tar -xf "build/cupy-$CUPY.tar.gz" -C build

# NVIDIA's libcudart is linked into the wheel's module of the runtime.  So this one module is built
# again from CuPy's source, with the options of CuPy's own build, and linked to our library.
echo "CuPy's module cupy_backends.cuda.api.runtime"
module=cupy_backends/cuda/api/runtime
(
    cd "build/cupy-$CUPY"
    ../venv/bin/python -m cython -3 --cplus -X embedsignature=True -X c_api_binop_methods=True \
        -X binding=False -X freethreading_compatible=True \
        -E "CUPY_CUDA_VERSION=$CUDA" -E CUPY_HIP_VERSION=0 -E CUPY_USE_CUDA_PYTHON=False \
        -E CUPY_CUFFT_STATIC=False -E "CUPY_CYTHON_VERSION='$CYTHON'" \
        $module.pyx -o $module.cpp 2> cython.log || { cat cython.log >&2; exit 1; }
    g++ -O1 -w -c -fPIC -std=c++17 "-DCYTHON_EXTERN_C=extern \"C\"" \
        -DNPY_TARGET_VERSION=NPY_2_0_API_VERSION -I"$dir/cuda/include" -I"$include" -I. \
        $module.cpp -o ../runtime_module.o
)

# A function that CuPy links to and that the emulation lacks becomes a stub: it names itself and
# returns cudaErrorNotSupported (801) or CUBLAS_STATUS_NOT_SUPPORTED (15).  The driver and NVRTC need
# no stubs: CuPy looks their functions up by name and reports a missing one itself.
echo "the emulation"
for part in runtime compiler blas; do
    g++ -O2 -Wall -fPIC -std=c++17 -Icuda/include -c "$here/$part.cpp" -o build/$part.o
done
nm -g --defined-only build/runtime.o build/blas.o | awk 'NF == 3 { print $3 }' | sort -u \
    > build/present
{ nm -u build/runtime_module.o; nm -D -u "$site"/cupy_backends/cuda/libs/cublas.*.so; } |
    awk '$2 ~ /^(cuda|cublas)/ { sub(/@.*/, "", $2); print $2 }' | sort -u |
    comm -23 - build/present |
    awk 'BEGIN { print "#include <stdio.h>"
                 print "#define STUB(name, status) int name() \\"
                 print "{ fprintf(stderr, \"emulated CUDA: no %s\\n\", #name); return status; }" }
         { print "STUB(" $1 ", " (/^cublas/ ? 15 : 801) ")" }' > build/stubs.c
gcc -w -fPIC -c build/stubs.c -o build/stubs.o
g++ -shared "-Wl,--version-script=$here/exports.map" build/runtime.o build/compiler.o \
    build/blas.o build/stubs.o -o cuda/lib64/libemu.so -ldl
cp "$here/kernel.h" cuda/lib64/
for name in libcuda.so.1 libcudart.so.13 libnvrtc.so.13 libcublas.so.13 libcublasLt.so.13; do
    ln -s libemu.so cuda/lib64/$name
done
suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
g++ -shared build/runtime_module.o -Lcuda/lib64 -l:libcudart.so.13 -o "$site/$module$suffix"

cat > build/env.sh <<END
# To be sourced: python is that of the environment, and its CuPy runs on the CPU.
export PATH="$dir/venv/bin:\$PATH"
export LD_LIBRARY_PATH="$dir/cuda/lib64"
export CUDA_PATH="$dir/cuda"
export CUPY_CACHE_DIR="$dir/cache"    # compiled kernels
export CUPY_ACCELERATORS=             # not CUB: the emulation has no kernels of CUB
END
(
    . build/env.sh
    python -c "import cupy; x = cupy.arange(6.).reshape(2, 3); assert (x @ x.T).sum() == 83"
)
mv build/env.sh env.sh
echo "done: . $dir/env.sh"
