"""Checks rendered manifests of Kubernetes. `.ci/parts/kubernetes` calls it.

  fields VERSIONS FILE ...   each resource has only fields that exist, with values of the right types
  mistakes VERSIONS FILE     the same check finds an unknown field and a wrong type in each kind of resource
  together FILE ...          what the resources say of one another, and of the program's settings, is true
  rules FILE                 the alert rules are those of docker/monitoring/alerts.yml, but for the fixes; prints them for promtool

CRDS names a folder with definitions of custom resources (YAML). Those of KEDA and of the Prometheus operator are in packages, too. UNCHECKED
names a file for the kinds that there is no definition of.
"""

import copy
import importlib
import os
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

# Packages that were generated from the definitions of custom resources.
MODELS = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
# Definitions that no package has.
UNPACKAGED = "kafka.strimzi.io/"
problems = []


def problem(text):
    problems.append(text)


def load(path):
    with open(path) as file:
        return [resource for resource in yaml.safe_load_all(file) if resource]


def name(resource):
    return f"{resource['kind']} {resource['metadata']['name']}"


# --- Fields ---------------------------------------------------------------------------------------------------------------------------


def closed(schema):
    """The schema without fields that it does not name. A server would drop or refuse those."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            result[key] = {field: closed(part) for field, part in value.items()}
        else:
            result[key] = closed(value)
    if schema.get("properties") and "additionalProperties" not in schema:
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    return result


def definitions():
    """The schemas of the folder CRDS, by apiVersion and kind."""
    found = {}
    folder = os.environ.get("CRDS")
    for path in sorted(pathlib.Path(folder).glob("*.yaml")) if folder else []:
        for definition in load(path):
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = [schema]
    return found


DEFINED = definitions()


def custom_schemas(resource):
    """All that is known of a custom resource; empty if nothing is."""
    version, kind = resource["apiVersion"], resource["kind"]
    schemas = list(DEFINED.get((version, kind), []))
    if version in MODELS:
        model = getattr(importlib.import_module(MODELS[version]), kind, None)
        if model:
            schemas.append(closed(model.model_json_schema(by_alias=True)))
    return schemas


def faults(resource, versions):
    """What is wrong with the fields of a resource; None if there is no definition of it."""
    found = []
    is_known = False
    for version in versions:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
            is_known = True
        except kubernetes_validate.SchemaNotFoundError:
            continue
        except kubernetes_validate.ValidationError as error:
            is_known = True
            found.append(f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message[:300]}")
    for schema in custom_schemas(resource) if not is_known else []:
        is_known = True
        for error in jsonschema.Draft202012Validator(schema).iter_errors(resource):
            found.append(f"{'.'.join(map(str, error.path))}: {error.message[:300]}")
    return found if is_known else None


def check_fields(versions, paths):
    checked, unchecked = 0, set()
    # With some of the definitions of a group there have to be all.
    may_miss = not any(version.startswith(UNPACKAGED) for version, _ in DEFINED)
    for path in paths:
        for resource in load(path):
            found = faults(resource, versions)
            if found is not None:
                checked += 1
            elif may_miss and resource["apiVersion"].startswith(UNPACKAGED):
                unchecked.add(resource["kind"])
            else:
                problem(f"{path}: {name(resource)}: there is no {resource['apiVersion']} {resource['kind']}")
            for fault in found or []:
                problem(f"{path}: {name(resource)}: {fault}")
    if unchecked and os.environ.get("UNCHECKED"):
        pathlib.Path(os.environ["UNCHECKED"]).write_text(", ".join(sorted(unchecked)) + "\n")
    print(f"{checked} resources in {len(paths)} renderings, for Kubernetes {', '.join(versions)}")


# --- Mistakes -------------------------------------------------------------------------------------------------------------------------

# A field of each kind, and a value of a wrong type. Of other kinds an unknown field is enough.
WRONG = {
    "Deployment": ("spec.replicas", "two"),
    "StatefulSet": ("spec.template.spec.containers.0.ports.0.containerPort", "http"),
    "NetworkPolicy": ("spec.podSelector", []),
    "PodDisruptionBudget": ("spec.selector.matchLabels", ["consumer"]),
    "ConfigMap": ("data", ["TOPIC"]),
    "ScaledObject": ("spec.maxReplicaCount", "many"),
    "TriggerAuthentication": ("spec.secretTargetRef", {}),
    "PodMonitor": ("spec.podMetricsEndpoints", {}),
    "PrometheusRule": ("spec.groups.0.rules.0.labels", ["critical"]),
    "Kafka": ("spec.kafka.listeners.0.port", "tls"),
    "KafkaNodePool": ("spec.replicas", "three"),
    "KafkaTopic": ("spec.partitions", "six"),
    "KafkaUser": ("spec.authorization.acls.0.operations", ["Look"]),
}


def altered(resource, path, value):
    result = copy.deepcopy(resource)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = result
    for step in steps:
        place = place[step]
    place[last] = value
    return result


def check_mistakes(versions, path):
    tried = set()
    for resource in load(path):
        kind = resource["kind"]
        if kind in tried or faults(resource, versions) is None:
            continue
        tried.add(kind)
        mistakes = [("spec.noSuchField" if "spec" in resource else "noSuchField", 1)]
        if kind in WRONG:
            mistakes.append(WRONG[kind])
        for field, value in mistakes:
            found = faults(altered(resource, field, value), versions)
            if not found:
                problem(f"{name(resource)}: {field}={value!r} is accepted")
    print(f"an unknown field and a wrong type are found in {len(tried)} kinds of resources")


# --- Together -------------------------------------------------------------------------------------------------------------------------


def matches(selector, labels):
    selector = selector or {}
    for rule in selector.get("matchExpressions", []):
        if rule["operator"] != "In":
            raise NotImplementedError(rule["operator"])
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


class Rendering:
    """The resources of a rendering, and what is checked in them."""

    # What the pipeline's owner gives.
    GIVEN = {"store-keys", "page-store-keys"}
    # Bytes that a dead letter may have more than its message.
    LETTER = 64 << 10

    def __init__(self, path):
        self.path = path
        self.all = load(path)
        self.pods = [r for r in self.all if r["kind"] in ("Deployment", "StatefulSet")]
        self.settings = {r["metadata"]["name"]: r["data"] for r in self.of("ConfigMap")}
        self.everything = {k: v for pod in self.pods for k, v in self.environment(pod).items()}

    def of(self, kind):
        return [resource for resource in self.all if resource["kind"] == kind]

    def names(self, kind):
        return {resource["metadata"]["name"] for resource in self.of(kind)}

    def need(self, condition, text):
        if not condition:
            problem(f"{self.path}: {text}")

    def environment(self, pod):
        container = pod["spec"]["template"]["spec"]["containers"][0]
        found = {}
        for source in container["envFrom"]:
            found.update(self.settings.get(source["configMapRef"]["name"], {}))
        found.update({variable["name"]: variable["value"] for variable in container.get("env", [])})
        return found

    def secrets(self):
        """The names of all Secrets that will exist."""
        authority = {kafka + "-cluster-ca-cert" for kafka in self.names("Kafka")}
        return self.names("Secret") | self.names("KafkaUser") | authority | self.GIVEN

    def check(self):
        spaces = {r["metadata"].get("namespace") for r in self.all if r["kind"] != "Namespace"}
        self.need(spaces == self.names("Namespace"), f"resources are in the namespaces {spaces}")
        self.need(len(self.pods) == 3, "there are not three kinds of pods")
        for pod in self.pods:
            self.check_confinement(pod)
            self.check_references(pod)
            self.check_environment(pod)
        self.check_selectors()
        self.check_kafka()

    def check_confinement(self, pod):
        spec = pod["spec"]["template"]["spec"]
        container = spec["containers"][0]
        own, shared = container["securityContext"], spec["securityContext"]
        who = name(pod)
        self.need(len(spec["containers"]) == 1, f"{who} has more than one container")
        self.need(shared["runAsNonRoot"] and shared["runAsUser"] == shared["runAsGroup"] == 10001, f"{who} is not user 10001")
        self.need(shared["seccompProfile"] == {"type": "RuntimeDefault"}, f"{who} has no seccomp profile")
        self.need(own["readOnlyRootFilesystem"], f"{who} can write to its root file system")
        self.need(not own["allowPrivilegeEscalation"] and not own["privileged"], f"{who} can get more rights")
        self.need(own["capabilities"] == {"drop": ["ALL"]}, f"{who} has capabilities")
        self.need(spec["automountServiceAccountToken"] is False, f"{who} has a token")
        self.need(spec["enableServiceLinks"] is False, f"{who} gets variables such as KAFKA_PORT")
        self.need(spec["terminationGracePeriodSeconds"] == 30, f"{who} has another grace period than in Docker")
        self.need("memory" in container["resources"]["limits"], f"{who} has no limit of memory")
        paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        self.need(paths == ["/healthz", "/healthz", "/readyz"], f"{who} has the probes {paths}")
        self.need(container["ports"] == [{"containerPort": 8080, "name": "http"}], f"{who} has other ports")

    def check_references(self, pod):
        spec = pod["spec"]["template"]["spec"]
        who = name(pod)
        self.need(spec["serviceAccountName"] in self.names("ServiceAccount"), f"{who}: its service account is missing")
        for source in spec["containers"][0]["envFrom"]:
            self.need(source["configMapRef"]["name"] in self.settings, f"{who}: {source} is missing")
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        claimed = {claim["metadata"]["name"] for claim in pod["spec"].get("volumeClaimTemplates", [])}
        for mount in spec["containers"][0]["volumeMounts"]:
            self.need(mount["name"] in set(volumes) | claimed, f"{who}: there is no volume {mount['name']}")
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            self.need(claim is None or claim in self.names("PersistentVolumeClaim"), f"{who}: there is no claim {claim}")
            used = [source["secret"]["name"] for source in volume.get("projected", {}).get("sources", [])]
            used += [volume["secret"]["secretName"]] if "secret" in volume else []
            self.need(set(used) <= self.secrets(), f"{who}: there are not all Secrets of {used}")
        if pod["kind"] == "Deployment":
            self.need(not claimed and not any("persistentVolumeClaim" in v for v in volumes.values()), f"{who} keeps something")

    def check_environment(self, pod):
        mounts = [mount["mountPath"] for mount in pod["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]]
        known = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", pathlib.Path(".env.example").read_text(), re.M))
        for variable, value in self.environment(pod).items():
            stem = variable.removesuffix("_FILE")
            self.need(stem in known or variable.startswith("KAFKA_"), f"{name(pod)}: there is no setting {variable}")
            if value.startswith("/"):
                where = any(value == mount or value.startswith(mount + "/") for mount in mounts)
                self.need(where, f"{name(pod)}: {variable}={value} is in no volume")

    def check_selectors(self):
        labels = [pod["spec"]["template"]["metadata"]["labels"] for pod in self.pods]
        selectors = [(r, r["spec"]["selector"]) for r in self.of("PodDisruptionBudget") + self.of("PodMonitor")]
        selectors += [(r, r["spec"]["podSelector"]) for r in self.of("NetworkPolicy")]
        selectors += [(r, {"matchLabels": r["spec"]["selector"]}) for r in self.of("Service")]
        for resource, selector in selectors:
            self.need(any(matches(selector, own) for own in labels), f"{name(resource)} is for no pod")
            # Others may be in the namespace, such as Kafka's.
            self.need(selector.get("matchLabels"), f"{name(resource)} is for all pods of the namespace")
        denials = [
            r["spec"] for r in self.of("NetworkPolicy")
            if set(r["spec"]["policyTypes"]) == {"Ingress", "Egress"} and not {"ingress", "egress"} & set(r["spec"])
        ]
        for pod, own in zip(self.pods, labels):
            denied = any(matches(denial["podSelector"], own) for denial in denials)
            self.need(denied, f"{name(pod)}: what no policy allows is not denied")
            self.need(matches(pod["spec"]["selector"], own), f"{name(pod)} does not select its pods")
        for monitor in self.of("PodMonitor"):
            watched = [own for own in labels if matches(monitor["spec"]["selector"], own)]
            jobs = {own.get(monitor["spec"]["jobLabel"]) for own in watched}
            self.need(jobs == {"producer", "consumer"}, f"the jobs are {jobs}: the alerts expect producer and consumer")

    def check_kafka(self):
        partitions = int(self.everything["TOPIC_PARTITIONS"])
        topic, group = self.everything["TOPIC"], self.everything["CONSUMER_GROUP"]
        for scaled in self.of("ScaledObject"):
            self.need(scaled["spec"]["maxReplicaCount"] == partitions, "KEDA starts another number of consumers than the topic has partitions")
            (scaling,) = [pod for pod in self.pods if pod["metadata"]["name"] == scaled["spec"]["scaleTargetRef"]["name"]]
            self.need("replicas" not in scaling["spec"], "both KEDA and the Deployment set the number of consumers")
        for authentication in self.of("TriggerAuthentication"):
            used = {reference["name"] for reference in authentication["spec"]["secretTargetRef"]}
            self.need(used <= self.secrets(), f"KEDA: there are not all Secrets of {used}")
        topics = {r["metadata"]["name"]: r["spec"] for r in self.of("KafkaTopic")}
        if not topics:
            return
        if set(topics) != {topic, topic + "-dlq", topic + "-receipts"}:
            problem(f"{self.path}: the topics are {set(topics)}")
            return
        images, settings = topics[topic], topics[topic]["config"]
        self.need(images["partitions"] == partitions, "the topic has other partitions than TOPIC_PARTITIONS")
        for key in ("retention.ms", "retention.bytes"):
            wanted = int(self.everything["TOPIC_" + key.upper().replace(".", "_")])
            self.need(settings[key] == wanted, f"the topic has another {key} than its setting")
        needed = settings["max.message.bytes"] + self.LETTER
        self.need(topics[topic + "-dlq"]["config"]["max.message.bytes"] == needed, f"dead letters need {needed} bytes")
        for user in self.of("KafkaUser"):
            for rule in user["spec"]["authorization"]["acls"]:
                self.need(rule["resource"]["name"] in set(topics) | {group, group + "-dead-letters"}, f"{name(user)} has a right on {rule['resource']}")
        (kafka,) = self.of("Kafka")
        listener = kafka["spec"]["kafka"]["listeners"][0]
        address = f"{kafka['metadata']['name']}-kafka-bootstrap.{kafka['metadata']['namespace']}.svc:{listener['port']}"
        self.need(self.everything["KAFKA_BOOTSTRAP_SERVERS"] == address, f"the brokers are at {address}")


def check_together(paths):
    for path in paths:
        Rendering(path).check()
    print(f"{len(paths)} renderings are consistent")


# --- Alert rules ----------------------------------------------------------------------------------------------------------------------


def check_rules(path):
    def without_fixes(groups):
        groups = copy.deepcopy(groups)
        for group in groups:
            for rule in group["rules"]:
                rule["annotations"].pop("fix")
        return groups

    (rendered,) = [resource["spec"]["groups"] for resource in load(path) if resource["kind"] == "PrometheusRule"]
    (source,) = load("docker/monitoring/alerts.yml")
    for own, original in zip(without_fixes(rendered)[0]["rules"], without_fixes(source["groups"])[0]["rules"]):
        if own != original:
            problem(f"the rule {own['alert']} is not that of docker/monitoring/alerts.yml: {original['alert']}")
    if not problems and without_fixes(rendered) != without_fixes(source["groups"]):
        problem("the rules are not those of docker/monitoring/alerts.yml")
    for rule in rendered[0]["rules"]:
        if re.search(r"\b(docker|compose|make)\b", rule["annotations"]["fix"].replace("docs/", "")):
            problem(f"the fix of {rule['alert']} is for Docker")
    yaml.safe_dump({"groups": rendered}, sys.stdout)


def main():
    task, *arguments = sys.argv[1:]
    if task == "fields":
        check_fields(arguments[0].split(), arguments[1:])
    elif task == "mistakes":
        check_mistakes(arguments[0].split(), arguments[1])
    elif task == "together":
        check_together(arguments)
    elif task == "rules":
        check_rules(arguments[0])
    else:
        sys.exit(__doc__)
    for text in problems:
        print(text, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
