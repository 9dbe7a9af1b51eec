"""A stand-in for a training script of PyTorch's examples: its options and its lines, without torch."""

import argparse
import random


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=10)
    return parser.parse_args()


def main():
    given = options()
    numbers = random.Random(given.seed)
    missed = 3000 * abs(given.lr - 0.5)
    for epoch in range(1, given.epochs + 1):
        for batch in range(0, 60000 // given.batch_size, 40 * given.log_interval):
            done = batch * given.batch_size
            print(
                f"Train Epoch: {epoch} [{done}/60000 ({done / 600:.0f}%)]\tLoss: {numbers.random():.6f}"
            )
        missed *= given.gamma
        right = 10000 - min(9000, 100 + int(missed))
        print(f"\nTest set: Average loss: 0.0455, Accuracy: {right}/10000 ({right / 100:.0f}%)\n")


if __name__ == "__main__":
    main()
