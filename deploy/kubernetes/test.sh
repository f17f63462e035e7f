#!/usr/bin/env bash
# Reads the objects of this folder and says whether they are what they must be. The last line is: N passed, N failed, N skipped
# Where kubectl is there, its own types read them too, without a cluster.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0 skipped=0
python=python3
for candidate in python3 "${SAFELIGHT_PYTHON:-python3}"; do "$candidate" -c 'import yaml' 2>/dev/null && python=$candidate; done
if "$python" -c 'import yaml' 2>/dev/null; then
  if "$python" - "$here/cronjob.yaml" <<'PYTHON'
import sys, yaml
objects = {found["kind"]: found for found in yaml.safe_load_all(open(sys.argv[1]))}
assert set(objects) == {"ServiceAccount", "PersistentVolumeClaim", "CronJob"}, set(objects)
account, job = objects["ServiceAccount"], objects["CronJob"]["spec"]
pod = job["jobTemplate"]["spec"]["template"]
spec, (container,) = pod["spec"], pod["spec"]["containers"]
assert job["concurrencyPolicy"] == "Forbid" and spec["restartPolicy"] == "Never"
assert "azure.workload.identity/client-id" in account["metadata"]["annotations"]
assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
assert spec["serviceAccountName"] == account["metadata"]["name"]
assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
confined = container["securityContext"]
assert confined["readOnlyRootFilesystem"] is True and confined["allowPrivilegeEscalation"] is False
assert confined["capabilities"] == {"drop": ["ALL"]}
names = {volume["name"] for volume in spec["volumes"]}
assert {mount["name"] for mount in container["volumeMounts"]} == names
claim = next(volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume)
assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
assert all("value" in variable for variable in container["env"]), "no variable may carry a secret"
PYTHON
  then passed=1; echo "ok: the objects are confined, and hold together"
  else failed=1; echo "FAILED: what cronjob.yaml says"; fi
else skipped=1; echo "skipped: there is no Python with yaml here"; fi
if command -v kubectl >/dev/null; then
  if kubectl label --local -f "$here/cronjob.yaml" --dry-run=client -o name tested=yes > /dev/null; then
    passed=$((passed + 1)); echo "ok: kubectl reads them"
  else failed=$((failed + 1)); echo "FAILED: kubectl does not read them"; fi
else skipped=$((skipped + 1)); echo "skipped: there is no kubectl here"; fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
