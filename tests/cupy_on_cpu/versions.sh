# The versions that build.sh installs.  All of them are pinned here and nowhere else.
CUPY=14.2.0        # the wheel cupy-cuda13x, and CuPy's source
CYTHON=3.2.9       # CuPy's pyproject.toml asks for >=3.2,<3.3
CUDA=13000         # CUDA 13.0, the version of the headers below; VERSION in emulation.h is the same
RUNTIME=13.0.96    # headers: nvidia-cuda-runtime
CRT=13.0.88        #          nvidia-cuda-crt
PROFILER=13.0.85   #          nvidia-cuda-profiler-api
