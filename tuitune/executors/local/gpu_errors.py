"""Errors of GPUs, by the words of the libraries that report them."""

import re

from tuitune.core.events import GpuError

# who says it -> its words where a GPU has no memory left
OUT_OF_MEMORY = {
    "torch": r"(?:CUDA|HIP) out of memory",
    "torch, by the error's class": r"(?:torch\.)?(?:cuda\.)?OutOfMemoryError: (?:CUDA|HIP|XPU)",
    "torch with expandable segments": r"(?:CUDA|HIP) driver error: out of memory",
    "CUDA": r"(?:CUDA|HIP) error(?: 2)?: out of memory",
    "CUDA's names": r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory",
    "cuBLAS, cuDNN": r"CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED",
    "cuBLAS, cuDNN: no room for a handle": r"CU(?:BLAS|DNN)_STATUS_NOT_INITIALIZED",
    "NCCL": r"(?:Cuda|Hip) failure (?:\d+ )?'out of memory'",
    "Triton": r"Triton Error \[(?:CUDA|HIP)\]: out of memory",
    "JAX": r"RESOURCE_EXHAUSTED: .*(?:[Oo]ut of memory|[Ff]ailed to allocate)",
    "TensorFlow": r"OOM when allocating tensor",
    "CuPy": r"cupy\.cuda\.memory\.OutOfMemoryError|OutOfMemoryError: Out of memory allocating",
    "LightGBM": r"\[CUDA\] out of memory",
    "RMM": r"Maximum pool size exceeded|out_of_memory: (?:CUDA|RMM)",
    "vLLM": r"No available memory for the cache blocks|less than desired GPU memory utilization",
}
# the number of the error -> its words where the card itself is broken
_CARD = {
    "214": r"uncorrectable ECC error|CUDA_ERROR_ECC_UNCORRECTABLE|cudaErrorECCUncorrectable",
    "220": r"uncorrectable NVLink error|CUDA_ERROR_NVLINK_UNCORRECTABLE"
    r"|cudaErrorNvlinkUncorrectable",
    "of NVML": r"GPU is lost|GPU has fallen off the bus",
    "of the kernel's log": r"NVRM: Xid \([^)]*\): (?:48|63|64|74|79|92|94|95|119|120)\b",
}
# the same where CUDA does not start: on one card, or on the whole machine
_SETUP = {
    "46": r"devices are busy or unavailable|cudaErrorDevicesUnavailable",
    "100": r"no CUDA-capable device is detected|CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice",
    "100, as torch says it": r"No (?:CUDA|HIP) GPUs are available",
    "802": r"system not yet initialized|CUDA_ERROR_SYSTEM_NOT_READY|cudaErrorSystemNotReady",
    "803": r"unsupported display driver / cuda driver combination"
    r"|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|cudaErrorSystemDriverMismatch",
}


def _has_any(words: dict[str, str], said: str) -> bool:
    return re.search("|".join(words.values()), said) is not None


def is_gpu_oom(error: str, tail: str) -> bool:
    """Whether `error`, or `tail` of its log, shows that a GPU had no memory left."""
    return _has_any(OUT_OF_MEMORY, _said(error, tail))


def fault_of(error: str, tail: str) -> GpuError:
    """Whether the error is that of a broken card, or of CUDA that does not start."""
    said = _said(error, tail)
    if _has_any(_CARD, said):
        return "card"
    return "setup" if _has_any(_SETUP, said) else ""


def _said(error: str, tail: str) -> str:
    """A log may hold an error that was handled: it counts only if the error gives no reason."""
    gives_none = error.startswith("exit status") or "(SIGABRT)" in error or "(SIGSEGV)" in error
    return tail if gives_none else error
