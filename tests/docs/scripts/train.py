"""A stand-in for nanoGPT's training script: how it is configured, what it prints, how it saves and continues."""

import ast
import math
import pickle
import sys
import time
from pathlib import Path

OPTIONS = {
    "out_dir": "out",
    "eval_interval": 250,
    "always_save_checkpoint": True,
    "init_from": "scratch",
    "learning_rate": 6e-4,
    "max_iters": 600000,
    "lr_decay_iters": 600000,
    "dropout": 0.0,
    "bias": False,
}


def configured(words):
    found = dict(OPTIONS)
    for word in words:
        if "=" not in word:
            exec(Path(word).read_text(), found)  # a configuration file is Python
            continue
        name, _, text = word.removeprefix("--").partition("=")
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = text
        assert type(value) is type(found[name]), f"{name} is a {type(found[name]).__name__}"
        found[name] = value
    return found


def main():
    given = configured(sys.argv[1:])
    file = Path(given["out_dir"], "ckpt.pt")
    file.parent.mkdir(exist_ok=True)
    first = 0
    if given["init_from"] == "resume":
        print(f"Resuming training from {given['out_dir']}")
        with file.open("rb") as saved:
            first = pickle.load(saved)["iter_num"]
    else:
        print("Initializing a new model from scratch")
    away = abs(math.log10(given["learning_rate"]) + 3) + abs(given["dropout"] - 0.2)
    for step in range(first, given["max_iters"] + 1, 250):
        time.sleep(0.02)
        loss = 1 + away + 100 / (step + 100)
        print(f"step {step}: train loss {loss:.4f}, val loss {loss:.4f}")
        if step > 0:
            print(f"saving checkpoint to {given['out_dir']}")
            with file.open("wb") as saved:
                pickle.dump({"iter_num": step}, saved)
        print(f"iter {step}: loss {loss:.4f}, time 20.00ms, mfu -100.00%")


main()
