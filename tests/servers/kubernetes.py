"""The part of Kubernetes' API that `kubectl` needs to run Jobs. It has no nodes: a function runs each pod."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Pod = Mapping[str, Any]
RunPod = Callable[[Pod], "Sequence[Ran]"]


class Ran(NamedTuple):
    """A pod that has ended: its exit code, and both streams of its output; None if they went with its node."""

    code: int
    log: str | None


@dataclass
class Cluster:
    """
    `run` returns what became of each pod that was started in its place: several, if nodes were drained. If none could
    start, the Job ends at its deadline, and Kubernetes removes the pod.
    """

    run: RunPod
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, str | None] = field(default_factory=dict)

    def application(self) -> Starlette:
        batch, core = "/apis/batch/v1", "/api/v1"
        jobs, pods = f"{batch}/namespaces/default/jobs", f"{core}/namespaces/default/pods"
        routes = [
            Route("/openapi/v3", lambda _: JSONResponse(_SCHEMAS)),
            Route("/schema", lambda _: JSONResponse(_SCHEMA)),
            Route("/version", lambda _: JSONResponse({"major": "1", "minor": "37", "gitVersion": "v1.37.0"})),
            Route("/api", lambda _: JSONResponse({"kind": "APIVersions", "versions": ["v1"]})),
            Route("/apis", lambda _: JSONResponse(_GROUPS)),
            Route(core, lambda _: JSONResponse(_resources("v1", "pods", "Pod"))),
            Route(f"{core}/namespaces/default/secrets", self._secret, methods=["GET", "POST"]),
            Route(f"{core}/namespaces/default/secrets/{{name}}", self._secret, methods=["PUT"]),
            Route(batch, lambda _: JSONResponse(_resources("batch/v1", "jobs", "Job"))),
            Route(jobs, self._create, methods=["POST"]),
            Route(jobs, self._jobs),
            Route(f"{jobs}/{{name}}", self._job, methods=["GET", "PATCH", "DELETE"]),
            Route(pods, self._pods),
            Route(f"{pods}/{{name}}", lambda request: _or_missing(self.pods, request)),
            Route(f"{pods}/{{name}}/log", self._log),
        ]
        return Starlette(routes=routes)

    async def _create(self, request: Request) -> Response:
        job = yaml.safe_load(await request.body())
        job["metadata"] |= {"namespace": "default", "uid": str(uuid.uuid4()), "generation": 1}
        self.jobs[job["metadata"]["name"]] = job
        ended = [self._run(job, index) for index in range(job["spec"].setdefault("completions", 1))]
        job["status"] = {"conditions": [_condition(ended)]}
        return JSONResponse(job, 201)

    def _run(self, job: Mapping[str, Any], index: int) -> int | None:
        """The exit code of the index; None if no pod has ended."""
        template = job["spec"]["template"]
        of_job = {"batch.kubernetes.io/controller-uid": job["metadata"]["uid"], "job-name": job["metadata"]["name"]}
        labels = template["metadata"]["labels"] | of_job
        if job["spec"].get("completionMode") == "Indexed":
            labels["batch.kubernetes.io/job-completion-index"] = str(index)
        spec = template["spec"] | {"nodeName": f"node-{index}"}
        ended = self.run({"metadata": {"labels": labels}, "spec": spec})
        for _, log in ended:
            name, moment = f"{job['metadata']['name']}-{len(self.pods)}", f"2026-11-23T10:{len(self.pods):02}:00Z"
            metadata = {"name": name, "namespace": "default", "labels": labels, "creationTimestamp": moment}
            self.pods[name] = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            self.logs[name] = log
        return ended[-1].code if ended else None

    async def _job(self, request: Request) -> Response:
        if request.method == "PATCH":
            return await self._create(request)  # as Helm does
        found = _or_missing(self.jobs, request)
        if request.method == "DELETE":
            self.jobs.pop(request.path_params["name"], None)
        return found

    async def _secret(self, request: Request) -> Response:
        """Where Helm keeps a release, in the form in which it sends it."""
        if request.method == "GET":
            return _list("v1", "Secret", [])
        return Response(await request.body(), 201, media_type=request.headers["content-type"])

    def _log(self, request: Request) -> Response:
        log = self.logs[request.path_params["name"]]
        return _status(500, "InternalError", "no route to host") if log is None else PlainTextResponse(log)

    def _jobs(self, request: Request) -> Response:
        """All that there are; no events, because a Job has ended when it has been created."""
        if "sendInitialEvents" in request.query_params:
            return _status(422, "Invalid", "no initial events")
        if "watch" in request.query_params:
            return Response()
        return _list("batch/v1", "Job", self.jobs.values())

    def _pods(self, request: Request) -> Response:
        name, _, value = request.query_params["labelSelector"].partition("=")
        items = [pod for pod in self.pods.values() if pod["metadata"]["labels"].get(name) == value]
        return _list("v1", "Pod", items)


_JOB = {"group": "batch", "version": "v1", "kind": "Job"}
_VALIDATED = [{"name": "fieldValidation", "in": "query"}]
_PATCH = {"patch": {"parameters": _VALIDATED, "x-kubernetes-group-version-kind": _JOB}}
_SCHEMA = {"openapi": "3.0.0", "paths": {"/apis/batch/v1/namespaces/{namespace}/jobs/{name}": _PATCH}}
_SCHEMAS = {"paths": {"apis/batch/v1": {"serverRelativeURL": "/schema"}}}
_GROUP_VERSION = {"groupVersion": "batch/v1", "version": "v1"}
_GROUPS = {
    "kind": "APIGroupList",
    "apiVersion": "v1",
    "groups": [{"name": "batch", "versions": [_GROUP_VERSION], "preferredVersion": _GROUP_VERSION}],
}


def _resources(version: str, plural: str, kind: str) -> dict[str, Any]:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    resource = {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [resource]}


def _list(version: str, kind: str, items: Iterable[Any]) -> Response:
    metadata = {"resourceVersion": "1"}
    return JSONResponse({"apiVersion": version, "kind": f"{kind}List", "metadata": metadata, "items": [*items]})


def _or_missing(objects: Mapping[str, Any], request: Request) -> Response:
    if found := objects.get(request.path_params["name"]):
        return JSONResponse(found)
    return _status(404, "NotFound", "not found")


def _status(code: int, reason: str, message: str) -> Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return JSONResponse(status | {"reason": reason, "message": message, "code": code}, code)


def _condition(codes: Sequence[int | None]) -> dict[str, str]:
    if None in codes:
        return _true("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    if any(codes):
        return _true("Failed", "PodFailurePolicy", "Container preflight failed with exit code 1 matching FailJob rule")
    return _true("Complete", "CompletionsReached", "Reached expected number of succeeded pods")


def _true(kind: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "message": message}
