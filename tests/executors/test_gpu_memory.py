from __future__ import annotations

import pytest

from tuitune.executors.local.exit_text import is_gpu_oom

OURS = [
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity",
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 10.76 GiB total)",
    "RuntimeError: CUDA error: out of memory",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.",
    "JaxRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 2.0GiB on device ordinal 0",
    "ResourceExhaustedError: Graph execution error: OOM when allocating tensor with shape[1,2]",
]
OTHERS = [
    "",
    "ValueError: bad x",
    "MemoryError",
    "killed (SIGKILL), most likely out of memory: peak 5.1 GB",
    "RuntimeError: CUDA error: device-side assert triggered",
    "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory",
    "OSError: [Errno 12] Cannot allocate memory",
    "GrpcError: RESOURCE_EXHAUSTED: quota",
]


@pytest.mark.parametrize("error", OURS)
def test_a_gpu_without_memory_is_recognised(error: str):
    assert is_gpu_oom(error, "")
    assert is_gpu_oom("exit status 1", f"Traceback …\n{error}")


@pytest.mark.parametrize("error", OTHERS)
def test_other_ends_are_not_taken_for_it(error: str):
    assert not is_gpu_oom(error, "")


def test_one_that_was_overcome_does_not_count():
    assert not is_gpu_oom("ValueError: bad x", "CUDA out of memory; trying half the batch")
