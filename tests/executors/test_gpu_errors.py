"""What libraries say of GPUs without memory, broken ones, and those on which CUDA does not start."""

from __future__ import annotations

import re

import pytest

from tuitune.executors.local.gpu_errors import OUT_OF_MEMORY, fault_of, is_gpu_oom

FULL = [
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity",
    "OutOfMemoryError: HIP out of memory. Tried to allocate 20.00 MiB.",
    "torch.cuda.OutOfMemoryError: CUDA out of memory.",
    "OutOfMemoryError: XPU out of memory.",
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 10.76 GiB total)",
    "RuntimeError: CUDA error: out of memory",
    "RuntimeError: CUDA driver error: out of memory",
    "RuntimeError: HIP error: out of memory",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "DistBackendError: NCCL error … Last error:\nCuda failure 2 'out of memory'",
    "NCCL WARN Cuda failure 'out of memory'",
    "RuntimeError: Triton Error [CUDA]: out of memory",
    "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.",
    "JaxRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 2.0GiB on device ordinal 0",
    "ResourceExhaustedError: Graph execution error: OOM when allocating tensor with shape[1,2]",
    "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 1,024 bytes (allocated so far: 0)",
    "OutOfMemoryError: Out of memory allocating 1,024 bytes (allocated so far: 0 bytes).",
    "LightGBMError: [CUDA] out of memory /src/cuda/cuda_utils.cu 22",
    "CatBoostError: catboost/cuda/cuda_lib/cuda_base.h:281: CUDA error 2: out of memory",
    "MemoryError: std::bad_alloc: out_of_memory: CUDA error at: device_memory.hpp",
    "MemoryError: std::bad_alloc: out_of_memory: RMM failure: Maximum pool size exceeded",
    "CudaAPIError: [2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY",
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
    "ValueError: Free memory on device (1/80 GiB) is less than desired GPU memory utilization",
]
OTHERS = [
    "",
    "ValueError: bad x",
    "MemoryError",
    "killed (SIGKILL), most likely out of memory: peak 4.7 GiB",
    "RuntimeError: CUDA error: device-side assert triggered",
    "RuntimeError: CUDA error: an illegal memory access was encountered",
    "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory",
    "OSError: [Errno 12] Cannot allocate memory",
    "GrpcError: RESOURCE_EXHAUSTED: quota",
]
BROKEN = [
    "RuntimeError: CUDA error: uncorrectable ECC error encountered",
    "XlaRuntimeError: INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered",
    "RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution",
    "NVMLError_GpuIsLost: GPU is lost",
    "NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.",
    "NVRM: Xid (PCI:0000:3b:00): 48, pid=1, DBE",
]
CLOSED = [
    "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable",
    "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable",
    "RuntimeError: CUDA error: no CUDA-capable device is detected",
    "RuntimeError: No CUDA GPUs are available",
    "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
    "RuntimeError: Error 803: system has unsupported display driver / cuda driver combination",
]


@pytest.mark.parametrize("error", FULL)
def test_a_gpu_without_memory_is_recognised(error: str):
    assert is_gpu_oom(error, "")
    assert is_gpu_oom("exit status 1", f"Traceback …\n{error}")
    assert fault_of(error, "") == ""


def test_the_words_of_each_library_are_tried_above():
    unused = [
        library
        for library, words in OUT_OF_MEMORY.items()
        if not any(re.search(words, error) for error in FULL)
    ]
    assert unused == []


@pytest.mark.parametrize("error", OTHERS)
def test_other_ends_are_not_taken_for_it(error: str):
    assert not is_gpu_oom(error, "")
    assert fault_of(error, "") == ""


@pytest.mark.parametrize(
    ("error", "fault"),
    [*((error, "card") for error in BROKEN), *((error, "setup") for error in CLOSED)],
)
def test_a_gpu_that_is_to_blame_is_recognised(error: str, fault: str):
    assert fault_of(error, "") == fault
    assert fault_of("exit status 1: it failed", f"Traceback …\n{error}") == fault
    assert fault_of("aborted (SIGABRT)", f"{error}\nAborted") == fault
    assert not is_gpu_oom(error, "")


def test_an_error_that_was_overcome_does_not_count():
    assert not is_gpu_oom("ValueError: bad x", "CUDA out of memory; trying half the batch")
    assert not fault_of("ValueError: bad x", "uncorrectable ECC error encountered; once more")
