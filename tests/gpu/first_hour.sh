#!/bin/bash
# What has to be known of a real GPU before tuitune is trusted on it, in order of importance.
#
#   bash tests/gpu/first_hour.sh STEP...      from the root of the repository
#
#   imports    tuitune, and a torch that computes on every GPU       30 s
#   facts      the machine, the driver and `tuitune doctor`          15 s
#   nvml       NVML: what its calls say and cost                     40 s
#   forks      imports after which a trial can still be forked       60 s
#   study      four trials, one after the other                      60 s
#   ends       the engine killed, another program on the GPU         90 s
#   memory     errors of a full GPU, in the words of each library    45 s
#   packing    gpus = "auto" against 1 and 0.25, long and short     240 s
#   figures    tests/benchmarks/gpu_figures.py on digits            480 s a study
#   pictures   the same on made-up images                           480 s a study
#   pause      the driver's checkpoints of a process                 60 s
#   park       a trial that is parked ends as one that is not       120 s
#   mps        packing with and without MPS                         120 s
#   quick      the first seven, within 600 s in all: what is left then is cut off, and said
#
# On a machine without a network, WHEELS=FOLDER installs tuitune and torch from the wheels there, as
# `pip download --dest FOLDER . torch` has fetched them elsewhere. Without what `imports` asks for
# nothing else is run.
#
# A line a check goes to standard output: PASS, FAIL or NOTE, what, what was expected, what came.
# All that was printed goes to $OUT/STEP.txt. Exit status 1 where a check failed. No setting of the
# card is changed. DRY=1 runs facts, study, ends, packing and park with training code that has no
# CUDA, as on the NVML and the libcuda of the tests. STUDY="1 auto" runs these studies of figures
# and pictures; all four if it is not set, in 8 minutes each.
set -u

ROOT=$(pwd)
HERE=$ROOT/tests/gpu
OUT=${OUT:-/tmp/first_hour}
DRY=${DRY:-}
PY=${PY:-python3}
WORK=$(mktemp -d /tmp/first_hour.XXXXXX)
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$OUT"
export XDG_STATE_HOME=$WORK/state TMPDIR=$WORK PYTHONPATH=$ROOT NO_COLOR=1 PYTHONUNBUFFERED=1 DRY
unset TUITUNE_RUNS # the runs of each study lie beside its file
failed=0
limit=1000000 # s after the start at which all is over

left() { # seconds: no more of them than are left, and at least 1
  local rest=$((limit - SECONDS))
  [ $rest -lt 1 ] && rest=1
  echo $(($1 < rest ? $1 : rest))
}

tuitune() { "$PY" -m tuitune "$@"; }

tell() { # PASS|FAIL|NOTE what expected got
  [ "$1" = FAIL ] && failed=1
  printf '%-4s %s | expected: %s | got: %s\n' "$1" "$2" "$3" "$4"
}

check() { # condition what expected got
  if eval "$1"; then tell PASS "$2" "$3" "$4"; else tell FAIL "$2" "$3" "$4"; fi
}

python_step() { # name seconds [argument...]
  local name=$1 seconds=$2
  shift 2
  timeout -k 5 "$(left "$seconds")" "$PY" "$HERE/$name.py" "$@" > "$OUT/$name.txt" 2>&1
  local status=$?
  grep -E '^(PASS|FAIL|NOTE)' "$OUT/$name.txt"
  grep -q '^FAIL' "$OUT/$name.txt" && failed=1
  [ $status = 0 ] || tell FAIL "$name" "status 0" "status $status: $(tail -1 "$OUT/$name.txt")"
}

write_study() { # folder function trials [line of [trial]...]
  mkdir -p "$1"
  cp "$HERE/training.py" "$1"
  {
    printf '[objective]\nmetric = "loss"\nmode = "min"\n[trial]\ntarget = "training.py:%s"\ncpus = 1\n' "$2"
    printf '%s\n' "${@:4}"
    printf '[space]\nlr = { low = 1e-3, high = 1e-1, log = true }\n[search]\nmethod = "random"\n'
    printf 'trials = %s\n' "$3"
  } > "$1/study.toml"
}

complete() { tuitune show "$1" --json | grep -c '"state": *"COMPLETE"'; } # trials of a study

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }

used() { timeout 30 "$PY" "$HERE/nvml.py" used; } # MiB of all GPUs

# ---------------------------------------------------------------------------------------------------
imports() {
  local found wanted="tuitune, and a torch that computes on each GPU"
  [ -z "${WHEELS:-}" ] || "$PY" -m pip install --quiet --no-index --find-links "$WHEELS" "$ROOT" torch
  found=$(timeout -k 5 "$(left 120)" "$PY" -c '
import os, tuitune, textual
if not os.environ["DRY"]:
    import torch
    assert torch.cuda.is_available(), "torch sees no GPU"
    for number in range(torch.cuda.device_count()):
        assert float(torch.ones(8, device=f"cuda:{number}").sum()) == 8
    print(torch.__version__, torch.cuda.device_count(), "GPUs")' 2>&1)
  local status=$?
  check '[ $status = 0 ]' imports "$wanted" "$(echo "$found" | tail -1)"
  [ $status = 0 ] || exit 1
}

facts() {
  {
    date; id; uname -a; nproc; free -g | head -2; df -h /tmp /dev/shm; ulimit -n
    nvidia-smi; nvidia-smi topo -m
    nvidia-smi --query-gpu=persistence_mode,compute_mode,mig.mode.current,memory.reserved --format=csv
    ls -l /dev/nvidia*; env | grep -i -E 'cuda|nvidia'; grep -E 'NSpid|CapEff' /proc/self/status
    "$PY" -m pip list | grep -i -E 'nvidia-ml|pynvml|torch|msgspec|textual|cuda'
    time timeout "$(left 90)" "$PY" -m tuitune doctor
  } > "$OUT/facts.txt" 2>&1
  local line
  line=$(grep -m1 'GPUs:' "$OUT/facts.txt")
  check 'echo "$line" | grep -q "driver"' doctor "GPUs, and the driver" "$line"
}

nvml() { python_step nvml 150; }
forks() { python_step forks 300; }
memory() { python_step memory_errors 240; }
pause() { python_step checkpoints 200; }

study() {
  local folder=$WORK/first output=$OUT/study.txt count
  write_study "$folder" multiply 4
  cd "$folder" || return
  {
    timeout "$(left 60)" "$PY" -m tuitune check study.toml
    time timeout "$(left 120)" "$PY" -m tuitune study.toml --json
    tuitune show study
  } > "$output" 2>&1
  count=$(complete study)
  check '[ "$count" = 4 ]' "trials on a GPU" "4 complete" "$count, $(tail -1 "$output")"
  [ "$count" = 4 ] || return # nothing is known of what has not run
  count=$(grep -m1 -o 'each trial imports all again[^"]*' "$output")
  check '[ -z "$count" ]' "trials are forked" "no warning" "${count:-none}"
  count=$(grep -m1 -o -E '.{0,40}(computes on it|still held there|only just left|seen from here).{0,20}' "$output")
  check '[ -z "$count" ]' "the study's own trials are not taken for others'" "no such words" "${count:-none}"
}

ends() {
  local folder=$WORK/ends output=$OUT/ends.txt idle began took engine run
  write_study "$folder" multiply 30
  cd "$folder" || return
  idle=$(used)
  tuitune study.toml --no-ui > killed.txt 2>&1 &
  run=$!
  if ! "$PY" "$HERE/wait_for.py" running "$folder/runs/study" "$(left 60)"; then
    tell FAIL "a trial runs" "within 60 s" no
    timeout 30 "$PY" -m tuitune stop study --now
    return
  fi
  engine=$("$PY" "$HERE/wait_for.py" engine "$folder/runs/study" 5)
  [ -n "$DRY" ] || sleep 5 # until the trial holds memory
  kill -9 "$engine"
  began=$(date +%s.%N)
  for _ in $(seq 60); do
    [ "$(used)" -le $((idle + 60)) ] && break
    sleep 0.1
  done
  took=$(seconds_since "$began")
  wait $run
  check '[ "${took%.*}" -lt 5 ]' "memory of a killed engine's trials" "back within 5 s" "$took s"
  tuitune study.toml --no-ui > again.txt 2>&1 &
  run=$!
  "$PY" "$HERE/wait_for.py" running "$folder/runs/study" "$(left 60)" || tell FAIL "it goes on" "within 60 s" no
  if [ -z "$DRY" ]; then # another program comes, and leaves
    timeout 25 "$PY" -c 'import torch, time; x = torch.zeros(1 << 28, device="cuda"); time.sleep(20)'
    sleep 15
    check 'grep -q "computes on it" again.txt' "another program on the GPU" "a line" "$(grep -c 'computes on it' again.txt)"
    check 'grep -q "free again" again.txt' "it has left" "a line" "$(grep -c 'free again' again.txt)"
  fi
  timeout 60 "$PY" -m tuitune stop study > stop.txt 2>&1 || timeout 30 "$PY" -m tuitune stop study --now
  wait $run
  cat killed.txt again.txt stop.txt > "$output"
  check 'tuitune show study --json > /dev/null' "the study can be read after all that" "status 0" "$(tail -1 stop.txt)"
}

packing() { # long trials and short ones
  local kinds=${EPOCHS_SET:-40 4} gpus folder began
  : > "$OUT/packing.txt"
  for epochs in $kinds; do
    for gpus in 1 0.25 '"auto"'; do
      folder=$WORK/packing_${epochs}_${gpus//[^a-z0-9]/}
      write_study "$folder" convolve "${TRIALS:-10}" "gpus = $gpus" "env = { EPOCHS = \"$epochs\" }"
      cd "$folder" || return
      began=$(date +%s.%N)
      timeout 200 "$PY" -m tuitune study.toml --json > output.txt 2>&1
      tell NOTE "packing" "long trials: auto is as fast as 0.25" \
        "$epochs epochs, gpus = $gpus: $(seconds_since "$began") s, $(complete study) complete" |
        tee -a "$OUT/packing.txt"
      grep -E '"packed"|crowded|imports all again|still held' output.txt >> "$OUT/packing.txt"
      check '[ "$(complete study)" = "${TRIALS:-10}" ]' "packing, gpus = $gpus" "all complete" "$(complete study)"
      rm -rf "$folder"
    done
  done
}

benchmark() { # name trials
  local each results=$OUT/gpu_figures.jsonl
  for each in ${STUDY:-1 2 4 auto}; do
    "$PY" tests/benchmarks/gpu_figures.py "$1:$each" --trials "$2" --results "$results" \
      > "$OUT/figures_$1_$each.txt" 2>&1
    tell NOTE "figures of $1:$each" "status 0" "status $?"
    cut -c1-200 "$OUT/figures_$1_$each.txt"
  done
  "$PY" tests/benchmarks/gpu_figures.py "$1" --results "$results"
}

figures() { benchmark digits 10; }
pictures() { benchmark cifar 8; }

losses() { tuitune export "$1" --what reports | awk -F, '/^0,/ { print $1, $2, $3, $NF }'; } # of trial 0

park() { # two studies that differ in nothing but that a trial of one is parked
  local folder run output=$OUT/park.txt idle parked began
  idle=$(used)
  for folder in plain held; do
    write_study "$WORK/$folder" steady 2 'pause = "park"'
    cd "$WORK/$folder" || return
    if [ $folder = plain ]; then
      timeout 120 "$PY" -m tuitune study.toml --no-ui > output.txt 2>&1
      continue
    fi
    timeout 240 "$PY" -m tuitune study.toml --no-ui > output.txt 2>&1 &
    run=$!
    "$PY" "$HERE/wait_for.py" reported "$WORK/held/runs/study" 60 > engine.txt || tell FAIL "a trial reports" "within 60 s" no
    began=$(date +%s.%N)
    tuitune pause study 0 > pause.txt 2>&1
    "$PY" "$HERE/wait_for.py" parked "$WORK/held/runs/study" 60 > engine.txt
    parked=$?
    tell NOTE "a trial is parked" "some seconds" "$(seconds_since "$began") s, $(used) MiB in use, $idle before"
    check '[ $parked = 0 ]' "a trial is parked" "within 60 s" "$(grep -m1 -o 'can not be parked.*' output.txt)"
    tuitune resume study 0 >> pause.txt 2>&1 # it comes back when the other one has ended
    wait $run
    tuitune show study --why 0 > why.txt 2>&1
    check 'grep -q "goes on where it stood still" why.txt' "it goes on" "a line" "$(tail -1 why.txt)"
  done
  (cd "$WORK/plain" && losses study) > plain.txt
  losses study > held.txt
  cat output.txt pause.txt why.txt plain.txt held.txt > "$output"
  check 'cmp -s plain.txt held.txt && [ -s plain.txt ]' "what it reports is the same to the last bit" "no difference" \
    "$(diff plain.txt held.txt | head -2 | tr '\n' ' ')"
  check '[ "$(complete study)" = 2 ]' "both trials complete" "2" "$(complete study)"
}

mps() {
  if ! command -v nvidia-cuda-mps-control > /dev/null; then
    tell NOTE mps "the daemon's program" "not installed"
    return
  fi
  echo "without MPS"
  EPOCHS_SET=30 TRIALS=8 packing
  export CUDA_MPS_PIPE_DIRECTORY=$WORK/mps CUDA_MPS_LOG_DIRECTORY=$OUT/mps
  mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY"
  if nvidia-cuda-mps-control -d; then
    echo "with MPS"
    EPOCHS_SET=30 TRIALS=8 packing
    tuitune doctor | grep -i mps
    echo quit | nvidia-cuda-mps-control
  fi
  unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
}

case " $* " in *" quick "*) limit=$((SECONDS + 510)) ;; esac # a step ends within 90 s after that
for step in $(echo " $* " | sed 's/ quick / imports facts nvml forks study ends memory /'); do
  case $step in
    imports | facts | nvml | forks | study | ends | memory | packing | figures | pictures | pause | park | mps) ;;
    *) echo "$step: there is no such step; see the head of this file" >&2; exit 2 ;;
  esac
  echo "=== $step $(date +%T)"
  if [ $SECONDS -ge $limit ]; then
    tell NOTE "$step" "within 600 s" "not run: the time is over"
    continue
  fi
  cd "$ROOT" && "$step"
done
exit $failed
