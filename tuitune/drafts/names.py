"""Well-known hyperparameters and their usual ranges, by name; docs/drafts.md has the sources."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tuitune.drafts.option import number_domain

# name | scale | usual range | possible values | factor | packages | names of options
# With a factor the range is the script's default divided and multiplied by it. Without one it is
# the usual range, widened to hold the default. It never leaves the possible values, and a default
# that is none of them means that the name stands for something else. Where packages are named the
# script has to import one of them. In a name, * is any text, and ! before a name excludes it. The
# first row that fits counts.
_TABLE = """
boosting: learning rate | log    | 0.01 0.3    | 1e-4 1      |     | boosting | eta learning_rate lr
boosting: depth         | whole  | 3 10        | 1 16        |     | boosting | max_depth depth
boosting: split loss    | linear | 0 5         | 0 20        |     | boosting | gamma min_split_loss
boosting: child weight  | log    | 1 10        | 1e-3 100    |     | boosting | min_child_weight
boosting: L2            | log    | 1e-3 10     | 1e-8 100    |     | boosting |
    lambda reg_lambda lambda_l2 l2_leaf_reg
boosting: L1            | log    | 1e-3 10     | 1e-8 100    |     | boosting |
    alpha reg_alpha lambda_l1
boosting: leaves        | whole  | 15 127      | 2 1024      |     | boosting |
    num_leaves max_leaves
boosting: leaf size     | whole  | 5 100       | 1 1000      |     |          |
    min_data_in_leaf min_child_samples
boosting: rows          | linear | 0.5 1       | 0.1 1       |     |          |
    subsample bagging_fraction
boosting: columns       | linear | 0.5 1       | 0.1 1       |     |          |
    colsample_bytree colsample_bylevel colsample_bynode feature_fraction
trees: number           | whole  | 50 500      | 5 5000      | 3   |          |
    n_estimators estimators num_trees n_trees
trees: leaves           | whole  | 8 128       | 2 1024      | 4   |          | max_leaf_nodes
trees: leaf size        | whole  | 1 20        | 1 200       |     |          | min_samples_leaf
trees: split size       | whole  | 2 20        | 2 200       |     |          | min_samples_split
trees: depth            | whole  | 3 10        | 1 32        |     |          | max_depth
linear: C               | log    | 1e-3 1e3    | 1e-6 1e6    |     | sklearn  | c svc_c
linear: alpha           | log    | 1e-4 1      | 1e-8 100    | 100 | sklearn  | alpha
linear: L1 ratio        | linear | 0 1         | 0 1         |     |          | l1_ratio
neighbours              | whole  | 1 30        | 1 200       |     |          | n_neighbors

lr decay                | linear | 0.5 0.95    | 0.05 0.96   |     |          |
    gamma lr_gamma lr_decay lr_decay_rate lr_decay_factor lr_factor learning_rate_decay
learning rate           | log    | 1e-5 1e-1   | 1e-8 10     | 10  |          |
    lr learning_rate *_lr *_learning_rate lr_init learning_rate_init lr_max lr0 lr_d lr_g
    lr_actor lr_critic learning_rate_* blr step_size !min_* !final_* !end_* !*_min !*_schedule*
    !*_decay* !*_warmup*
weight decay            | log    | 1e-6 1e-2   | 1e-8 1      | 10  |          |
    weight_decay wd wdecay *_weight_decay *_wd l2 l2_reg l2_penalty l2_weight
L1 penalty              | log    | 1e-6 1e-2   | 1e-8 1      | 10  |          |
    l1 l1_reg l1_penalty l1_weight
momentum                | linear | 0.5 0.99    | 0 0.999     |     |          |
    momentum sgd_momentum
beta1                   | linear | 0.8 0.95    | 0 0.99      |     |          |
    beta1 beta_1 b1 adam_beta1 adam_b1 opt_beta1
beta2                   | linear | 0.9 0.999   | 0.5 0.9999  |     |          |
    beta2 beta_2 b2 adam_beta2 adam_b2 opt_beta2
eps                     | log    | 1e-9 1e-6   | 1e-12 1e-3  | 10  |          |
    eps epsilon adam_eps adam_epsilon opt_eps
gradient clip           | log    | 0.1 10      | 0.05 100    | 4   |          |
    clip grad_clip gradient_clip grad*_clip_* grad_norm_clip* gradient_clipping clip_grad*
    clip_norm max_grad_norm max_norm gradclip
warmup share            | linear | 0 0.2       | 0 0.5       |     |          |
    warmup_ratio warmup_fraction warmup_proportion warmup_frac lr_warmup_ratio
warmup length           | whole  |             | 2 1e6       | 2   |          |
    warmup warmup_steps warmup_iters warmup_epochs warmup_iterations lr_warmup_*
    num_warmup_steps n_warmup*
EMA decay               | linear | 0.99 0.9999 | 0.5 0.99999 |     |          |
    ema ema_decay ema_rate model_ema_decay

dropout                 | linear | 0 0.5       | 0 0.9       |     |          |
    dropout dropout? *_dropout dropout_* *_dropout_* drop drop_rate drop_path drop_path_rate
    p_drop *pdrop *_drop
label smoothing         | linear | 0 0.2       | 0 0.5       |     |          |
    label_smoothing label_smoothing_factor label_smooth smoothing label_smoothing_eps*
mixup                   | linear | 0 1         | 0 2         |     |          |
    mixup mixup_alpha cutmix cutmix_alpha
random erasing          | linear | 0 0.5       | 0 1         |     |          |
    reprob random_erase random_erasing

batch size              | powers | 16 256      | 1 65536     | 4   |          |
    batch_size batchsize batch bs bsz train_batch_size per_device_train_batch_size
    mini_batch_size minibatch_size micro_batch_size train_bs batch_size_train batch_size_per_gpu
    per_gpu_train_batch_size train_batch
heads                   | powers | 2 8         | 1 128       | 2   |          |
    heads head n_head n_heads nhead nheads num_head num_heads num_attention_heads
    attention_heads attn_heads n_attention_heads
layers                  | whole  | 1 4         | 1 200       | 2   |          |
    layers n_layer n_layers nlayers num_layer num_layers num_hidden_layers hidden_layers
    n_hidden_layers num_*_layers n_*_layers num_res_layers depth num_blocks n_blocks
hidden size             | powers | 32 256      | 4 32768     | 2   |          |
    hidden hidden? n_hidden nhid hidden_size hidden_dim hidden_dims hidden_units hidden_channels
    hidden_features num_hidden num_hiddens *_hidden_size *_hidden_dim dim embed embed_dim
    embed_size embedding_dim embedding_size emb_dim emb_size emsize embdim n_embd n_embd?
    d_model d_ff d_hid d_hidden d_inner width mlp_dim ffn_dim ff_dim dim_feedforward latent_dim
    latent_size z_dim nz ngf ndf units n_units num_units num_filters n_filters filters channels
    num_channels n_channels rnn_size lstm_size gru_size enc_dim dec_dim layer?_size *_layer_size
    num_neurons
LoRA rank               | powers | 4 64        | 1 512       | 4   |          | lora_r lora_rank
LoRA alpha              | powers | 8 64        | 1 1024      | 4   |          | lora_alpha

temperature             | log    | 0.05 2      | 1e-3 100    | 3   |          |
    temperature temp *_temperature
KL weight               | log    | 0.01 10     | 1e-6 100    | 10  |          |
    kl_weight kld_weight kl_coef kl_coeff beta_kl

discount                | linear | 0.95 0.999  | 0.8 0.9999  |     |          |
    gamma discount discount_factor
GAE lambda              | linear | 0.9 1       | 0.5 1       |     |          |
    gae_lambda gae_lam lambda lam
entropy bonus           | log    | 1e-4 0.1    | 1e-8 1      | 10  |          |
    ent_coef ent_coeff entropy_coef* entropy_weight entropy_cost entropy_bonus
value loss              | linear | 0.25 1      | 0.01 4      |     |          |
    vf_coef value_coef value_loss_coef vf_cost
PPO clip                | linear | 0.1 0.3     | 0.01 0.9    |     |          |
    clip_coef clip_ratio clip_range clip_eps clip_epsilon clip_param
target smoothing        | log    | 1e-3 0.05   | 1e-5 0.5    | 10  |          | tau polyak
exploration share       | linear | 0.05 0.5    | 0.01 1      |     |          | exploration_fraction
minibatches             | powers | 2 16        | 1 256       | 2   |          |
    num_minibatches n_minibatches
"""
_PACKAGES = {"boosting": {"xgboost", "lightgbm", "catboost"}, "sklearn": {"sklearn"}}


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the table."""

    name: str
    scale: str  # "log", "linear", "whole", "powers"
    usual: tuple[float, ...]  # low and high; empty: only about a default
    least: float
    most: float
    factor: float  # 0: none
    packages: frozenset[str]  # empty: any
    names: tuple[str, ...]


def _rows() -> tuple[Known, ...]:
    text = re.sub(r"\n +", " ", _TABLE)
    return tuple(_row(line) for line in text.splitlines() if line)


def _row(line: str) -> Known:
    name, scale, usual, possible, factor, package, names = map(str.strip, line.split("|"))
    least, most = map(float, possible.split())
    ends = tuple(map(float, usual.split()))
    packages = frozenset(_PACKAGES.get(package, ()))
    every = tuple(names.split())
    return Known(name, scale, ends, least, most, float(factor or 0), packages, every)


KNOWN = _rows()

_CHOICES = re.compile(
    r"(\w+_)?(opt|optim|optimi[sz]er|solver|activation|act|nonlinearity|norm|normali[sz]ation|"
    r"pool(ing)?|scheduler(_type)?|lr_schedule|sched|kernel|penalty|booster|init(iali[sz]er)?|"
    r"weight_init|cell(_type)?|rnn_type|criterion)\Z"
)
_SWITCHES = re.compile(
    r"(use_|with_|apply_)?(nesterov|amsgrad|bias|qkv_bias|batch_?norm|bn|layer_?norm|rms_?norm|"
    r"group_?norm|residual|skip_connections?|augment(ation)?|data_aug(mentation)?|"
    r"bidirectional|bi_?lstm|anneal_lr|norm_adv|clip_vloss|dropout|mixup|cutmix|"
    r"ema|label_smoothing|autotune|attention|gated|rslora|rescale|centered)\Z"
)
# Words of a name that never stand for a hyperparameter, whatever else is in it.
_NEVER = """
path dir directory file folder root out output seed resume checkpoint ckpt restore push hub
token wandb device gpu gpus cuda mps cpu workers worker log logs logging print trust remote
download port rank url host user project entity run verbose debug profile compile fp16 bf16 amp
eval evaluation test valid validation val predict inference generate sampling interval every freq
frequency patience save cache dry vocab classes input in image img length seq version world
backend dtype precision
"""


def is_never(name: str) -> bool:
    """Whether a name is never a hyperparameter's: paths, devices, seeds, logging and so on."""
    # these two have other senses of "path" and "device"
    plain = re.sub(r"drop_path|per_(device|gpu)", "", snake(name))
    return not set(_NEVER.split()).isdisjoint(plain.split("_"))


def snake(name: str) -> str:
    """A name in lower case with underscores: "batchSize" and "opt.batch-size" end in batch_size."""
    last = re.split(r"[./]", name.strip("-./"))[-1]
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def known(name: str, imported: Collection[str] = (), default: Any = None) -> Known | None:
    """The well-known hyperparameter of a name, if its default is one that this may have."""
    if is_never(name):
        return None
    plain = snake(name)
    for row in KNOWN:
        fits = not row.packages or not row.packages.isdisjoint(imported)
        if fits and _is_called(row, plain) and _plausible(row, default):
            return row
    return None


def _is_called(row: Known, name: str) -> bool:
    found = False
    for pattern in row.names:
        if pattern[0] == "!" and fnmatchcase(name, pattern[1:]):
            return False
        found = found or fnmatchcase(name, pattern)
    return found


def _plausible(row: Known, default: Any) -> bool:
    if default is None:
        return row.usual != ()
    if isinstance(default, bool) or not isinstance(default, int | float):
        return False
    if default == 0 and row.scale == "log" and row.usual:
        return True  # switched off: no weight decay
    if row.scale in ("whole", "powers") and not float(default).is_integer():
        return False
    return row.least <= default <= row.most


def is_choice(name: str) -> bool:
    """Whether the choices of an option are worth searching: optimizers, activations and so on."""
    return not is_never(name) and _CHOICES.match(snake(name)) is not None


def is_switch(name: str) -> bool:
    """Whether a boolean is a hyperparameter: Nesterov momentum, batch norm and so on."""
    return not is_never(name) and _SWITCHES.match(snake(name).removeprefix("no_")) is not None


def domain(row: Known, default: float | None, kind: str) -> str:
    """The range of a hyperparameter as TOML, about the script's default.

    Empty where an option of whole numbers can have no other value in it.
    """
    low, high = _ends(row, default)
    if row.scale == "powers":
        return f"{{ low = {low:.0f}, high = {high:.0f}, powers_of = 2 }}"
    whole = row.scale == "whole" or kind == "int"
    ends = (math.ceil(low), math.floor(high)) if whole else (_short(low), _short(high))
    if whole and ends[0] >= ends[1]:
        return ""
    return number_domain(*ends, whole=whole, log=row.scale == "log")


def _ends(row: Known, default: float | None) -> tuple[float, float]:
    if default and row.factor:
        middle = 2.0 ** round(math.log2(default)) if row.scale == "powers" else default
        low, high = middle / row.factor, middle * row.factor
        if row.scale == "whole":
            low, high = max(low, 1), max(high, default + 1)
    else:
        low, high = row.usual
        if default is not None and (default or row.scale != "log"):
            low, high = min(low, default), max(high, default)
    return max(low, row.least), min(high, row.most)


def _short(value: float) -> float:
    """A value with three significant digits."""
    return float(f"{value:.3g}")
