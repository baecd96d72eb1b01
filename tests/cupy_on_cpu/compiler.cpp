// NVRTC and the CUDA driver on the CPU: g++ compiles a kernel into a shared library, and a launch
// calls a function of that library.  kernel.h goes in front of each source.
#include "emulation.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

namespace fs = std::filesystem;

// NVRTC ------------------------------------------------------------------------------------------
static const int NVRTC_ERROR_COMPILATION = 6;
struct Program {
    std::string source, log, image;                // image: what CuPy asks for as PTX or as CUBIN
    std::map<std::string, std::string> templates;  // name<types>, and the name of its launcher
};

static std::string contents(const fs::path& file) {
    std::ifstream f(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(f), {});
}
static const fs::path& emulation() {   // the folder of this library and of kernel.h
    static const fs::path folder = [] {
        Dl_info info;
        dladdr((void*)emulation, &info);
        return fs::canonical(info.dli_fname).parent_path();
    }();
    return folder;
}
static fs::path new_folder() {
    std::string name = fs::temp_directory_path() / "emu-XXXXXX";
    if (!mkdtemp(name.data())) {
        perror(name.c_str());
        abort();
    }
    return name;
}
static size_t copy_out(const std::string& from, char* to) {
    memcpy(to, from.c_str(), from.size() + 1);
    return 0;
}

API const char* nvrtcGetErrorString(int) { return "error of the emulated NVRTC"; }
API int nvrtcVersion(int* major, int* minor) {
    *major = VERSION / 1000;
    *minor = VERSION % 1000 / 10;
    return 0;
}
API int nvrtcGetNumSupportedArchs(int* count) { *count = 1; return 0; }
API int nvrtcGetSupportedArchs(int* archs) { *archs = 90; return 0; }
API int nvrtcCreateProgram(Program** p, const char* source, const char*, int, const char**,
                           const char**) {
    *p = new Program{source};
    return 0;
}
API int nvrtcDestroyProgram(Program** p) {
    delete *p;
    *p = nullptr;
    return 0;
}
API int nvrtcCompileProgram(Program* p, int count, const char** options) {
    if (p->source.find("__global__") == std::string::npos) {
        // CuPy compiles an empty source, and the comments in the result become part of the keys of
        // its cache of kernels.  So after a change to kernel.h every kernel is compiled again.
        static const size_t key = std::hash<std::string>()(contents(emulation() / "kernel.h"));
        p->image = "// Emulated NVRTC, kernel.h " + std::to_string(key) + "\n";
        return 0;
    }

    std::map<std::string, std::string> kernels = p->templates;
    if (kernels.empty()) {
        static const std::regex KERNEL(
            R"(__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\()");
        for (std::sregex_iterator i(p->source.begin(), p->source.end(), KERNEL), end; i != end; ++i)
            kernels[(*i)[1]] = (*i)[1];
    }
    static const std::regex BARRIER("__syncthreads|__syncwarp|__shfl_");
    const bool barriers = std::regex_search(p->source, BARRIER);
    std::ostringstream source;
    source << "#include \"kernel.h\"\n#line 1\n" << p->source << "\n";
    for (const auto& [kernel, name] : kernels)
        source << "static void emu_body_" << name << "(void** p) { emu::call(&" << kernel
               << ", p); }\n"
               << "extern \"C\" void emu_launch_" << name
               << "(const unsigned* grid, const unsigned* block, void** p) { emu::launch(emu_body_"
               << name << ", " << barriers << ", grid, block, p); }\n";

    const fs::path folder = new_folder();
    std::ofstream(folder / "kernel.cpp") << source.str();
    std::ostringstream command;
    command << "cd '" << folder.string() << "' && g++ -O1 -w -fpermissive -shared -fPIC -std=c++17 "
            << "-I'" << emulation().string() << "'";
    for (int i = 0; i < count; i++)
        if (!strncmp(options[i], "-I", 2) || !strncmp(options[i], "-D", 2))
            command << " '" << options[i] << "'";
    command << " kernel.cpp -o kernel.so > log 2>&1";
    const bool failed = system(command.str().c_str());
    p->log = contents(folder / "log");
    p->image = contents(folder / "kernel.so");
    fs::remove_all(folder);
    note("compile %s%s", kernels.empty() ? "nothing" : kernels.begin()->first.c_str(),
         failed ? ", failed" : "");
    return failed ? NVRTC_ERROR_COMPILATION : 0;
}
API int nvrtcGetPTXSize(Program* p, size_t* n) { *n = p->image.size() + 1; return 0; }
API int nvrtcGetPTX(Program* p, char* out) { return copy_out(p->image, out); }
API int nvrtcGetCUBINSize(Program* p, size_t* n) { *n = p->image.size() + 1; return 0; }
API int nvrtcGetCUBIN(Program* p, char* out) { return copy_out(p->image, out); }
API int nvrtcGetProgramLogSize(Program* p, size_t* n) { *n = p->log.size() + 1; return 0; }
API int nvrtcGetProgramLog(Program* p, char* out) { return copy_out(p->log, out); }
API int nvrtcAddNameExpression(Program* p, const char* name) {
    const std::string number = std::to_string(p->templates.size());
    p->templates.emplace(name, "template_" + number);
    return 0;
}
API int nvrtcGetLoweredName(Program* p, const char* name, const char** out) {
    *out = p->templates.at(name).c_str();
    return 0;
}

// Driver -----------------------------------------------------------------------------------------
enum { CUDA_ERROR_INVALID_VALUE = 1, CUDA_ERROR_INVALID_IMAGE = 200, CUDA_ERROR_NOT_FOUND = 500 };
struct Kernel {
    std::string name;
    void (*launch)(const unsigned* grid, const unsigned* block, void** arguments);
};

API int cuGetErrorName(int error, const char** out) {
    static std::string name;
    *out = (name = "CUDA_ERROR " + std::to_string(error)).c_str();
    return 0;
}
API int cuGetErrorString(int, const char** out) {
    *out = "from the emulated CUDA driver";
    return 0;
}
API int cuCtxGetCurrent(void** context) { *context = (void*)1; return 0; }
API int cuCtxSetCurrent(void*) { return 0; }
API int cuCtxGetDevice(int* device) { *device = 0; return 0; }
API int cuModuleLoadData(void** module, const char* image) {
    if (memcmp(image, ELFMAG, SELFMAG)) return CUDA_ERROR_INVALID_IMAGE;
    const auto* elf = (const Elf64_Ehdr*)image;
    // `image` has no length.  An ELF file ends with the table of its sections.
    const size_t bytes = elf->e_shoff + elf->e_shnum * elf->e_shentsize;
    const fs::path folder = new_folder(), file = folder / "kernel.so";
    std::ofstream(file, std::ios::binary).write(image, bytes);
    *module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!*module) fprintf(stderr, "%s\n", dlerror());
    fs::remove_all(folder);
    return *module ? 0 : CUDA_ERROR_INVALID_IMAGE;
}
API int cuModuleUnload(void*) { return 0; }
API int cuModuleGetFunction(Kernel** kernel, void* module, const char* name) {
    void* launch = dlsym(module, (std::string("emu_launch_") + name).c_str());
    if (!launch) return CUDA_ERROR_NOT_FOUND;
    *kernel = new Kernel{name, (decltype(Kernel::launch))launch};
    return 0;
}
API int cuFuncGetAttribute(int* value, int, Kernel*) { *value = 1024; return 0; }
API int cuFuncSetAttribute(Kernel*, int, int) { return 0; }
API int cuLaunchKernel(Kernel* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                       unsigned by, unsigned bz, unsigned, void*, void** arguments, void**) {
    if (!gx || !gy || !gz || !bx || !by || !bz || gx > 2147483647u || gy > 65535 || gz > 65535
        || size_t(bx) * by * bz > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    note("kernel %s %u,%u,%u x %u,%u,%u", kernel->name.c_str(), gx, gy, gz, bx, by, bz);
    const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    kernel->launch(grid, block, arguments);
    return 0;
}
