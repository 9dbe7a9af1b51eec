"""After which imports a forked child can use CUDA, and whether `why_not_forked` sees the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tuitune.devices.nvml import Nvml
from tuitune.ipc.entry import THREADS
from tuitune.zygote.forking import gpu_in_use, why_not_forked

CASES = {  # what training code may do at its import
    "torch": "import torch, torch._dynamo",
    "torch.cuda.is_available": "import torch\ntorch.cuda.is_available(); torch.cuda.device_count()",
    "get_device_name": "import torch\ntorch.cuda.get_device_name(0)",
    "a tensor": "import torch\ntorch.zeros(1, device='cuda')",
    "set_device": "import torch\ntorch.cuda.set_device(0)",
    "set_default_device": "import torch\ntorch.set_default_device('cuda')",
    "manual_seed_all": "import torch\ntorch.cuda.manual_seed_all(1)",
    "get_device_capability": "import torch\ntorch.cuda.get_device_capability()",
    "is_bf16_supported": "import torch\ntorch.cuda.is_bf16_supported()",
    "torch.compile": "import torch\n@torch.compile\ndef f(x): return x + 1",
    "cuInit": "import ctypes\nctypes.CDLL('libcuda.so.1').cuInit(0)",
    "torchvision": "import torchvision",
    "lightning": "import lightning",
    "transformers": "from transformers import AutoModel, Trainer",
    "accelerate": "import accelerate\naccelerate.Accelerator()",
    "jax": "import jax",
    "jax.devices": "import jax\njax.devices()",
    "cupy": "import cupy",
    "numba.cuda": "import numba.cuda",
    "triton": "import triton, triton.language",
    "timm": "import timm",
    "scikit-learn and pandas": "import sklearn.ensemble, pandas",
}


def child(pipe: int) -> None:
    """The forked child's part: CUDA on the GPU that it is given."""
    found: dict[str, Any] = {}
    try:
        os.environ |= {"CUDA_VISIBLE_DEVICES": os.environ["GPU"], "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        import torch  # noqa: PLC0415 - in the child, as a trial does

        found = {"bad fork": torch.cuda._is_in_bad_fork(), "GPUs": torch.cuda.device_count()}
        found["sum"] = float(torch.ones(8, device="cuda").sum())
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
        found["error"] = f"{type(error).__name__}: {error}"[:100]
    os.write(pipe, json.dumps(found).encode())
    os._exit(0)


def parent(code: str) -> None:
    """Import as training code does, ask whether it can be forked, and fork."""
    error = ""
    try:
        exec(code, {"__name__": "target"})
    except BaseException as problem:  # noqa: BLE001 - as above
        error = f"{type(problem).__name__}: {problem}"[:120]
    why = why_not_forked(gpu_in_use())
    read, write = os.pipe()
    if os.fork() == 0:
        child(write)
    os.close(write)
    answer = os.read(read, 65536).decode() or '{"error": "no answer"}'
    print(json.dumps({"error": error, "why": why, "child": json.loads(answer)}))


def asked(case: tuple[str, str]) -> dict[str, Any]:
    environment = {**os.environ, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    environment |= dict.fromkeys(THREADS, "1")
    environment["GPU"] = Nvml().read().devices[0].uuid
    try:
        done = subprocess.run(
            [sys.executable, __file__, case[1]],
            check=False, env=environment, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": "no answer in 100 s", "why": None, "child": {"error": "it hangs"}}
    except (ValueError, IndexError):
        return {"error": done.stderr[-150:], "why": None, "child": {"error": "it died"}}
    return found


def main() -> None:
    if len(sys.argv) > 1:
        parent(sys.argv[1])
        return
    for name, found in zip(CASES, ThreadPoolExecutor(4).map(asked, CASES.items()), strict=True):
        broken, foreseen = "error" in found["child"], bool(found["why"])
        if "No module" in found["error"]:
            how = "NOTE"
        elif broken:
            how = "PASS" if foreseen else "FAIL"
        else:
            how = "NOTE" if foreseen else "PASS"  # foreseen for nothing: some seconds a trial
        print(
            f"{how} fork after {name} | expected: it works, or is foreseen | got: {found}",
            flush=True,
        )


if __name__ == "__main__":
    main()
