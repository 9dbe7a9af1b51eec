"""Did an attempt end because a GPU had no memory left for it?"""

from __future__ import annotations

import re

# torch, its older versions, and what CUDA's own libraries say through anybody
_ERRORS = re.compile(
    r"CUDA out of memory"
    r"|(?:torch\.)?(?:cuda\.)?OutOfMemoryError: (?:CUDA|HIP)"
    r"|CUDA error: out of memory"
    r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation"
    r"|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
    # JAX and TensorFlow
    r"|RESOURCE_EXHAUSTED: .*(?:[Oo]ut of memory|[Ff]ailed to allocate)"
    r"|ResourceExhaustedError: .*OOM when allocating"
    # CuPy
    r"|cupy\.cuda\.memory\.OutOfMemoryError"
)


def is_gpu_oom(error: str, tail: str) -> bool:
    """`error`: in one line how it ended; `tail`: the end of its log.

    A log may tell of an error that was overcome: it counts only where the end says nothing itself.
    """
    return bool(_ERRORS.search(tail if error.startswith("exit status") else error))
