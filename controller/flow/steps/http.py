"""The `http` step: ask another system, over HTTP and JSON."""

from __future__ import annotations

from typing import Annotated, ClassVar

from controller.flow.commands import Event, LookedUp, Lookup, LookupFailed
from controller.flow.expressions import EvaluationError
from controller.flow.findings import Mark
from controller.flow.httpkinds import Headers, Url
from controller.flow.kinds import Duration, Flag
from controller.flow.reading import Context, Expr, Template
from controller.flow.refkinds import Assignments, ExitMap
from controller.flow.steps.base import Go, Next, Outcome, Returned, Step, Turn

_OK = range(200, 300)


class Http(Step, frozen=True, kw_only=True):
    """Make one request to an allowed host; leave by its status, by `next` (2xx) or by `failed`.

    `save` reads `body` (decoded JSON) and `status` after a 2xx; a value that is not there is `failed` too.
    `secret: true` makes what is saved secret. A request that carries secrets is never logged.
    """

    type: ClassVar[str] = "http"
    needs: ClassVar[frozenset[str]] = frozenset({"lookup"})
    after_hangup: ClassVar[bool] = True

    get: Annotated[Template | None, Url()] = None
    post: Annotated[Template | None, Url()] = None
    put: Annotated[Template | None, Url()] = None
    body: Annotated[dict[str, Expr], Assignments(writes=False)] = {}
    headers: Annotated[dict[str, Template], Headers()] = {}
    timeout_s: Annotated[float, Duration(0.1, 30)] = 5.0
    save: Annotated[dict[str, Expr], Assignments(writes=True, scope="response", outside=True)] = {}
    secret: Annotated[bool, Flag()] = False
    status: Annotated[dict[str, str], ExitMap(r"[1-5]([0-9]{2}|xx)", "an HTTP status such as 404 or 5xx")] = {}
    next: Next
    failed: Next

    def examine(self, ctx: Context, mark: Mark) -> None:
        methods = [name for name in ("get", "post", "put") if getattr(self, name) is not None]
        if len(methods) != 1:
            message = "an http step has one of get, post and put"
            ctx.findings.error(mark, "method", message, "write get: https://…")
        elif self.body and methods == ["get"]:
            ctx.findings.error(mark, "method", "a get has no body", "use post, or put the values into the URL")

    def enter(self, run: Turn) -> Outcome:
        method, url = next(
            (name, template)
            for name, template in (("GET", self.get), ("POST", self.post), ("PUT", self.put))
            if template is not None
        )
        body = {name: run.evaluate(expr) for name, expr in self.body.items()}
        return Lookup(
            step="",  # the interpreter knows the step's name
            method=method,
            url=run.fill(url),
            headers={name: run.fill(template) for name, template in self.headers.items()},
            body=body or None,
            timeout_s=self.timeout_s,
            secret=run.is_secret(url, *self.body.values(), *self.headers.values()),
        )

    def resume(self, run: Turn, event: Event | Returned) -> Outcome:
        if isinstance(event, LookupFailed):
            run.note(failure=event.reason)
            return Go("failed", self.failed)
        if not isinstance(event, LookedUp):
            return super().resume(run, event)
        run.note(status=event.status)
        exit_name = next((key for key in (str(event.status), f"{event.status // 100}xx") if key in self.status), "")
        if event.status in _OK:
            answer = {"body": event.body, "status": event.status}
            try:
                values = {name: run.evaluate(expr, answer) for name, expr in self.save.items()}
            except EvaluationError as error:
                run.note(failure=str(error))
                return Go("failed", self.failed)
            for name, value in values.items():
                run.save(name, value, secret=self.secret)
            if not exit_name:
                return Go("next", self.next)
        if exit_name:
            return Go(f"status.{exit_name}", self.status[exit_name])
        return Go("failed", self.failed)
