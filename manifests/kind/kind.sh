#!/usr/bin/env bash
# Kubernetes in Docker from nothing to a finished benchmark: kind.sh up | run | down. Every step can be repeated.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
CLUSTER=medseg
NAMESPACE=kubeflow
KUBECTL=(kubectl --context "kind-$CLUSTER" --namespace "$NAMESPACE") # never another cluster of the kubeconfig
VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$ROOT/medseg/__init__.py")
IMAGE=medseg:$VERSION
PYTHON=$ROOT/.venv/bin/python
WORK=$ROOT/.medseg/kind
READY_S=1800 # until all of Kubeflow Pipelines runs: a dozen images are pulled, some of them slowly
FORWARD_PID=

main() {
  case ${1:-} in
    up) up ;;
    run) run ;;
    down) down ;;
    *) fail "usage: $0 up|run|down" ;;
  esac
}

up() {
  need docker 24.0 "https://docs.docker.com/engine/install" docker version --format '{{.Server.Version}}'
  need kind 0.33 "https://kind.sigs.k8s.io/docs/user/quick-start/#installation" kind version
  need_kubectl
  need git 2.0 "your system's packages; kubectl fetches the manifests of Kubeflow Pipelines with it" git --version
  docker image inspect "$IMAGE" >/dev/null 2>&1 || fail "there is no image $IMAGE: build it with make images"
  make_cluster
  say "loading $IMAGE into the cluster (some minutes)"
  kind load docker-image "$IMAGE" --name $CLUSTER
  install_pipelines
  make_secrets
  install_medseg
  say "done; next: make kind-run"
  say "pages: kubectl --context kind-$CLUSTER -n $NAMESPACE port-forward svc/ml-pipeline-ui 8080:80"
}

run() {
  need_kubectl
  [[ -x $PYTHON ]] || fail "$PYTHON is not there: make install"
  kube get configmap medseg-store >/dev/null || fail "medseg is not in the cluster kind-$CLUSTER: make kind-up"
  open_store
  say "writing the sample cohort and putting it into the bucket"
  "$PYTHON" -m medseg.cli sample "$WORK/sample"
  "$PYTHON" -c 'import pathlib, sys; from medseg.storage import open_store
open_store(sys.argv[2]).put_folder(pathlib.Path(sys.argv[1]))' "$WORK/sample" "$STORE/sample"
  local id status=0
  id=smoke-$(date -u +%Y%m%d-%H%M%S)
  say "starting the run $id and waiting for its end"
  export MEDSEG_IMAGE=$IMAGE
  "$PYTHON" -m pipelines submit "$ROOT/pipelines/recipes/smoke.yaml" --context kind-$CLUSTER --namespace $NAMESPACE \
    --set run_id="$id" --set store="$STORE" --set dataset.source="$STORE/sample" \
    --set dataset.deidentify.key=env:MEDSEG_PSEUDONYM_KEY --wait || status=$?
  say "fetching the report, which is there also when a step failed"
  "$PYTHON" -m pipelines fetch "$id" --output "$WORK/$id" --context kind-$CLUSTER --namespace $NAMESPACE || status=1
  [[ $status -eq 0 ]] || fail "the run $id did not succeed (exit code $status); what there is of it: $WORK/$id"
  say "done; the report: $WORK/$id"
}

down() {
  need kind 0.33 "https://kind.sigs.k8s.io/docs/user/quick-start/#installation" kind version
  say "removing the cluster $CLUSTER with all that is in its store"
  kind delete cluster --name $CLUSTER
}

# need TOOL VERSION WHERE COMMAND...: the command prints the tool's version; WHERE says how to get it
need() {
  local tool=$1 least=$2 where=$3 answer found
  shift 3
  command -v "$tool" >/dev/null || fail "$tool is needed, version $least or newer: $where"
  answer=$("$@" 2>&1) || fail "$tool does not work: $answer"
  found=$(grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' <<<"$answer" | head -n 1) || fail "$tool does not tell its version: $answer"
  if [[ $(printf '%s\n' "$least" "$found" | sort -V | head -n 1) != "$least" ]]; then
    fail "$tool $found is too old, $least or newer is needed: $where"
  fi
}

need_kubectl() {
  need kubectl 1.32 "https://kubernetes.io/docs/tasks/tools" kubectl version --client
}

make_cluster() {
  if kind get clusters 2>/dev/null | grep -x $CLUSTER >/dev/null; then # -q would leave kind with a broken pipe
    say "the cluster $CLUSTER is there"
  else
    say "making the cluster $CLUSTER (some minutes)"
    kind create cluster --config "$HERE/cluster.yaml" --wait 5m
  fi
}

install_pipelines() {
  say "installing Kubeflow Pipelines"
  kube apply --server-side --force-conflicts -k "$HERE/kfp/cluster-scoped"
  kube wait crd/applications.app.k8s.io --for condition=established --timeout 60s
  kube apply --server-side --force-conflicts -k "$HERE/kfp"
  wait_for_deployments
}

# The store's keys are copied as they are, encoded, and the key of pseudonyms is made once: another one would give the same
# patients other names.
make_secrets() {
  say "making the secrets medseg-s3 and medseg-pseudonyms"
  kube get secret mlpipeline-minio-artifact -o go-template-file="$HERE/store-secret.gotemplate" | kube apply -f -
  if ! kube get secret medseg-pseudonyms >/dev/null 2>&1; then
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' \
      | kube create secret generic medseg-pseudonyms --from-file=key=/dev/stdin
  fi
}

install_medseg() {
  say "installing medseg"
  kube delete job medseg-bucket --ignore-not-found # a job cannot be changed
  kube apply -k "$ROOT/manifests/overlays/kind"
  kube wait job/medseg-bucket --for condition=complete --timeout 6m \
    || fail "the bucket was not made: $(kube logs job/medseg-bucket --tail 3)"
  wait_for_deployments
}

wait_for_deployments() {
  local waiting end=$((SECONDS + READY_S))
  until waiting=$(not_ready) && [[ -z $waiting ]]; do
    ((SECONDS < end)) || fail "not ready after $READY_S s: $waiting; kubectl -n $NAMESPACE get pods says why"
    say "waiting for ${waiting:-the cluster}"
    sleep 10
  done
}

not_ready() {
  kube get deployments --no-headers | awk '{split($2, pods, "/"); if (pods[1] != pods[2]) printf "%s ", $1}'
}

# Forward a free port of this machine to the store, and say in the usual variables how it opens there.
open_store() {
  unset AWS_ENDPOINT_URL_S3 AWS_SESSION_TOKEN # those of another store would go before
  local log=$WORK/store.log port=
  mkdir -p "$WORK"
  : >"$log"
  "${KUBECTL[@]}" port-forward svc/seaweedfs :9000 >"$log" 2>&1 &
  FORWARD_PID=$!
  trap '{ kill $FORWARD_PID && wait $FORWARD_PID; } 2>/dev/null || true' EXIT
  for _ in $(seq 60); do
    port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$log")
    [[ -z $port ]] || break
    kill -0 $FORWARD_PID 2>/dev/null || break
    sleep 0.5
  done
  [[ -n $port ]] || fail "the store cannot be reached: $(tail -n 1 "$log")"
  STORE=$(kube get configmap medseg-store -o go-template='{{.data.MEDSEG_STORE}}')
  AWS_ENDPOINT_URL=http://127.0.0.1:$port
  AWS_REGION=$(kube get configmap medseg-store -o go-template='{{.data.AWS_REGION}}')
  AWS_ACCESS_KEY_ID=$(kube get secret medseg-s3 -o go-template='{{.data.AWS_ACCESS_KEY_ID | base64decode}}')
  AWS_SECRET_ACCESS_KEY=$(kube get secret medseg-s3 -o go-template='{{.data.AWS_SECRET_ACCESS_KEY | base64decode}}')
  export AWS_ENDPOINT_URL AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
}

kube() {
  "${KUBECTL[@]}" "$@"
}

say() {
  echo "kind: $*"
}

fail() {
  echo "kind: $*" >&2
  exit 1
}

main "$@"
