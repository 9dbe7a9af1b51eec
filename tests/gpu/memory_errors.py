"""Whether `is_gpu_oom` knows each library's words for a GPU without memory."""

from __future__ import annotations

import subprocess
import sys

from tuitune.executors.local.gpu_errors import is_gpu_oom

FILL = (
    "import torch\n"
    "free = torch.cuda.mem_get_info()[0]\n"
    "held = torch.empty(free - ({} << 20), dtype=torch.uint8, device='cuda')\n"
)
HUGE = "import torch\ntorch.empty(1 << 45, dtype=torch.uint8, device='cuda')"
CONTEXT = (
    "import subprocess, sys\n"
    "code = 'import torch; torch.ones(1, device=\"cuda\")'\n"
    "done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
    "sys.stderr.write(done.stderr)\n"
    "sys.exit(done.returncode)\n"
)
SEGMENTS = "import os\nos.environ['PYTORCH_CUDA_ALLOC_CONF'] = 'expandable_segments:True'\n"
TRITON = (
    "import triton, triton.language as tl\n"
    "@triton.jit\ndef kernel(p):\n    tl.store(p, 1)\n"
    "kernel[(1,)](torch.empty(1, device='cuda', dtype=torch.int32))\n"
)
CASES = {
    "torch": HUGE,
    "torch with expandable segments": SEGMENTS + HUGE,
    "cuBLAS": FILL.format(30) + "one = torch.ones(8, 8, device='cuda')\nprint(one @ one)",
    "cuDNN": FILL.format(60)
    + "layer = torch.nn.Conv2d(64, 64, 3).cuda()\nlayer(torch.ones(8, 64, 64, 64, device='cuda'))",
    "a context": FILL.format(80) + CONTEXT,
    "cupy": "import cupy\ncupy.empty(1 << 45, dtype=cupy.uint8)",
    "jax": "import jax.numpy as j\nj.ones((1 << 40,), dtype=j.uint8).block_until_ready()",
    "triton": FILL.format(20) + TRITON,
    "numba": "import numpy as np\nfrom numba import cuda\ncuda.device_array(1 << 44, dtype=np.uint8)",
}


def main() -> None:
    for name, code in CASES.items():
        try:
            done = subprocess.run(
                [sys.executable, "-c", code],
                check=False,
                capture_output=True,
                text=True,
                timeout=90,
            )
        except subprocess.TimeoutExpired:
            print(f"NOTE memory, {name} | expected: an error | got: none in 90 s", flush=True)
            continue
        lines = [line for line in done.stderr.splitlines() if line and line[0] != " "] or [
            "no words"
        ]
        if done.returncode == 0 or "No module" in lines[-1]:
            print(f"NOTE memory, {name} | expected: an error | got: {lines[-1]}", flush=True)
            continue
        raised, _, words = lines[-1].partition(":")
        known = (
            is_gpu_oom(f"{raised.rpartition('.')[2]}:{words}", ""),  # of a function
            is_gpu_oom("exit status 1", done.stderr[-4000:]),  # of a command
        )
        how = "PASS" if all(known) else "FAIL"
        print(
            f"{how} memory, {name} | expected: known twice | got: {known}, {lines[-1][:140]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
