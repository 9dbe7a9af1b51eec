"""The GPUs that a study may use, by CUDA_VISIBLE_DEVICES and by its file."""

from collections.abc import Mapping, Sequence

from tuitune.core.placement.snapshots import GpuSample


class NotAllowedError(Exception):
    """A list of devices that can not be used; str() says why, and how to correct it."""


def allowed(
    devices: Sequence[GpuSample], environment: Mapping[str, str], allow: Sequence[str | int]
) -> list[GpuSample]:
    """The devices that are in both lists; without a list, all.

    Raises NotAllowedError.
    """
    named = [device for device in devices if device.uuid]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        numbers = sorted({device.index for device in devices})  # CUDA counts what is permitted
        named = _visible(named, numbers, visible, environment.get("CUDA_DEVICE_ORDER", ""))
        if not named and not hides_all(environment):
            _check_first(devices, visible)
    if allow:
        wanted = {uuid for word in allow for uuid in _meant(devices, word)}
        named = [device for device in named if device.uuid in wanted]
    return named


def hides_all(environment: Mapping[str, str]) -> bool:
    """Whether CUDA_VISIBLE_DEVICES says that no GPU is to be used."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return visible is not None and visible.strip() in {"", "-1", "none", "NoDevFiles"}


def _visible(
    devices: Sequence[GpuSample], numbers: Sequence[int], text: str, order: str
) -> list[GpuSample]:
    """As CUDA reads it: an entry that matches no device hides itself and all after it.

    numbers: the driver's, in the place of each the number that CUDA gives it.
    """
    found: list[GpuSample] = []
    for word in (part.strip() for part in text.split(",")):
        if word.isdigit():
            _check_order(devices, text, order)
            index = numbers[int(word)] if int(word) < len(numbers) else None
            matches = [d for d in devices if d.index == index and not d.parent]
        else:
            matches = [d for d in devices if word and d.uuid.startswith(word)]
        if len(matches) != 1 or matches[0] in found:
            break
        found.append(matches[0])
    return found


def _check_first(devices: Sequence[GpuSample], text: str) -> None:
    """With a first entry that is no GPU's, CUDA finds none, and trials would run on the CPUs."""
    word = text.split(",", maxsplit=1)[0].strip()
    numbers = {str(number) for number in range(len({device.index for device in devices}))}
    is_sure = all(device.uuid for device in devices)  # one in trouble may be meant
    if devices and is_sure and word not in numbers and not word.startswith("-"):
        raise NotAllowedError(
            f"CUDA_VISIBLE_DEVICES={text}: {word!r} is not one GPU of this machine; there are: "
            f"{_there(devices)}; correct it, unset it, or write -1 to run on the CPUs"
        )


def _there(devices: Sequence[GpuSample]) -> str:
    return ", ".join(f"{device.index} ({device.uuid})" for device in devices if device.uuid)


def _check_order(devices: Sequence[GpuSample], text: str, order: str) -> None:
    """CUDA numbers the fastest GPU first by default, NVML does not."""
    if order != "PCI_BUS_ID" and len({device.name for device in devices}) > 1:
        raise NotAllowedError(
            f"CUDA_VISIBLE_DEVICES={text}: this machine's GPUs differ, and CUDA counts them in an "
            f"order of its own; export CUDA_DEVICE_ORDER=PCI_BUS_ID, or write UUIDs "
            f"(nvidia-smi -L)"
        )


def _meant(devices: Sequence[GpuSample], word: str | int) -> list[str]:
    if isinstance(word, int) or word.isdigit():
        found = [device.uuid for device in devices if device.index == int(word)]
    else:
        found = [device.uuid for device in devices if device.uuid.startswith(word)]
    if not found:
        raise NotAllowedError(
            f"[devices] allow: there is no GPU {word}; there are: {_there(devices)}"
        )
    return found
