import assert from "node:assert/strict";
import { parseArguments } from "../../mod/core/arguments.ts";
import type { ProgramFacts } from "../../mod/core/machine_facts.ts";
import { diagnose, type Diagnosis } from "../../mod/doctor/check.ts";
import { ALL_CHECKS } from "../../mod/doctor/checks.ts";
import { knowServices } from "../../mod/doctor/program_arguments.ts";

const { config } = parseArguments([], {}, { hostName: "n1" });

function inPod(name: string, ...args: readonly string[]): ProgramFacts {
  const place = { kind: "pod", namespace: "kube-system", name } as const;
  return { args, place };
}

function found(
  code: string,
  ...programs: readonly ProgramFacts[]
): Diagnosis {
  return diagnose(ALL_CHECKS.filter((check) => check.code === code), {
    config: { value: config },
    apiServers: { value: programs },
    controllerManagers: { value: programs },
    serviceRanges: { value: programs },
  });
}

Deno.test("evidence of an argument is a command that shows it where it was found: a process, or a pod", () => {
  const flag = "--cluster-cidr=10.244.0.0/16";
  const { findings } = found(
    "cidr-controller",
    { args: ["/kcm", flag], place: { kind: "process", pid: 12 } },
    inPod("kube-controller-manager-n1", "/kcm", flag),
    inPod("kube-controller-manager-n2", "/kcm", "--cluster-cidr=10.0.0.0/16"),
    inPod("kube-controller-manager-n3", ...flag.split("=")),
  );
  assert.equal(findings.length, 1);
  assert.deepEqual(findings[0]?.evidence, [
    {
      command: "tr '\\0' '\\n' < /proc/12/cmdline | grep cluster-cidr",
      output: flag,
    },
    {
      command:
        "kubectl -n kube-system get pod kube-controller-manager-n1 -o yaml | grep cluster-cidr",
      output: flag,
    },
    {
      command:
        "kubectl -n kube-system get pod kube-controller-manager-n3 -o yaml | grep -A1 cluster-cidr",
      output: flag,
    },
  ]);
});

Deno.test("API servers that are told different things are as many findings", () => {
  const name = "--kubelet-preferred-address-types";
  const { findings } = found(
    "apiserver-address-types",
    inPod("kube-apiserver-n1", `${name}=Hostname`),
    inPod("kube-apiserver-n2", `${name}=ExternalIP,Hostname`),
    inPod("kube-apiserver-n3", `${name}=InternalIP,Hostname`),
    inPod("kube-apiserver-n4"),
  );
  assert.deepEqual(
    findings.map(({ sentence }) => /kubelets by (\S+)/.exec(sentence)?.[1]),
    ["Hostname", "ExternalIP,Hostname"],
  );
});

Deno.test("knowServices() takes those that were told the Services' range before those that were not", () => {
  const told = inPod("manager", "--service-cluster-ip-range=10.0.64.0/20");
  const untold = inPod("server");
  assert.deepEqual(knowServices([untold, told]), [told]);
  assert.deepEqual(knowServices([untold]), [untold]);
  const { findings } = found("cidr-services", ...knowServices([untold, told]));
  assert.match(findings[0]?.sentence ?? "", /10\.0\.64\.0\/20 overlaps/);
});
