#!/bin/bash
# A study on Slurm: a Ray cluster over the nodes of one job, gone at its end.
#
# Set: the #SBATCH lines, and VENV, RESULTS on file systems that all nodes share. Before its time is up, or before it is
# preempted, the job is told to stop; started again it goes on from the results.
#
#   sbatch cluster/slurm.sh search_spaces/cifar10.yaml
#   scancel --batch --signal=TERM <job>                              # ends the study and its Ray
#SBATCH --job-name=codim-study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@180
set -euo pipefail
SPACE=${1:?the study file, e.g. search_spaces/cifar10.yaml}
VENV=${VENV:-$SLURM_SUBMIT_DIR/.venv}
RESULTS=${RESULTS:-$SLURM_SUBMIT_DIR/results}
PORT=$((20000 + SLURM_JOB_ID % 20000))

cd "$SLURM_SUBMIT_DIR"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
address=$(srun --nodes=1 --ntasks=1 -w "${hosts[0]}" hostname --ip-address | awk '{print $1}'):$PORT
common=(--block --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}")

nodes=()
end() {
  # Ray's processes end with the steps that hold them.
  kill "${nodes[@]}" 2>/dev/null || true
  wait
}
trap end EXIT
srun --nodes=1 --ntasks=1 -w "${hosts[0]}" "$VENV/bin/ray" start --head --port="$PORT" "${common[@]}" &
nodes+=($!)
until "$VENV/bin/ray" status --address="$address" >/dev/null 2>&1; do
  kill -0 "${nodes[0]}"
  sleep 2
done
for host in "${hosts[@]:1}"; do
  srun --nodes=1 --ntasks=1 -w "$host" "$VENV/bin/ray" start --address="$address" "${common[@]}" &
  nodes+=($!)
done
# The study counts the nodes when it starts.
"$VENV/bin/python" - "$address" "${#hosts[@]}" <<'PYTHON'
import sys, time, ray

ray.init(address=sys.argv[1], log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(2)
PYTHON

"$VENV/bin/python" study/run.py --space "$SPACE" --results "$RESULTS" --address "$address" &
driver=$!
trap 'kill -TERM $driver' TERM
# A signal ends the first wait, not the driver.
wait $driver || wait $driver
