"""Tell what each task of a procedure made, and run the procedure again when the service itself failed.

    [handlers.options.follow_procedure]
    redo_for = 21600            # seconds since the procedure was started in which it is run again; 0: never

A procedure can fail for a while (the service is ill) or for good (the source is damaged). For a while: RedoTask, which
runs the whole procedure again and ends in a new event. For good, or both: the event is dead with the reason, because
to run everything again would pay for what succeeded and not mend the rest; an operator decides.

To know when to stop, no memory is needed but the service's: GetTaskInfo says when the task was created and when it last
ended, and running it again changes only the latter. It is run again while it is younger than `redo_for`, after a wait
as long as it is old. So its age doubles each time: six hours have room for about ten runs, not for thousands.
"""

from pydantic import BaseModel, Field

from vodworker import Context, Done, Outcome, Reject, Retry, on
from vodworker.api import GetTaskInfo, RedoTask, TaskData
from vodworker.codes import explain
from vodworker.events import ProcedureStateChanged

SHORTEST_WAIT = 10.0  # seconds: a task that failed at once is not hammered at


class Options(BaseModel, frozen=True):
    """What can be set."""

    redo_for: float = Field(21600.0, ge=0, le=72 * 3600)  # the service forgets a task after 72 hours


@on(ProcedureStateChanged, options=Options)
async def follow_procedure(event: ProcedureStateChanged, ctx: Context[Options]) -> Outcome:
    """Each task of a procedure ends on its own: the log has a line for each."""
    options = ctx.options
    for task in event.process_task_list:
        asked = task.input.model_dump(exclude_unset=True) if task.input else {}
        if task.ok:
            made = task.output.model_dump(exclude_unset=True) if task.output else {}
            ctx.log.info("output.made", task_id=event.vod_task_id, task=task.task_type, asked=asked, made=made)
        elif task.failed:
            facts = {"code": task.err_code, "error": task.message, "cause": explain(task.err_code or 0).cause}
            ctx.log.warning("output.failed", task_id=event.vod_task_id, task=task.task_type, asked=asked, **facts)
    faults = faults_of(event)
    if not event.finished or not faults:
        return Done()
    why = "; ".join(f"{what} (code {code}: {explain(code).cause}; {explain(code).remedy})" for code, what in faults)
    if not event.vod_task_id or not all(explain(code).retryable for code, _ in faults):
        return Reject(why)
    return await redo(event.vod_task_id, why, options.redo_for, ctx)


async def redo(task_id: str, why: str, redo_for: float, ctx: Context[Options]) -> Outcome:
    """Run the task again, unless it runs or has ended well by now: an event may be old news."""
    task = await ctx.vod.call(GetTaskInfo(vod_task_id=task_id))
    if task.status != "FINISH" or not task.data or not faults_of(task.data):
        return Done()
    age = task.finish_time - task.create_time if task.finish_time and task.create_time else redo_for
    if age >= redo_for:
        return Reject(f"{why}; not run again, since the first try was {age:g} s ago")
    if ctx.attempt == 1:
        return Retry(max(SHORTEST_WAIT, age), why)
    await ctx.vod.call(RedoTask(vod_task_id=task_id), once="redo")
    ctx.log.info("procedure.redone", task_id=task_id, why=why)
    return Done()


def faults_of(event: ProcedureStateChanged | TaskData) -> list[tuple[int, str]]:
    """Code and words of each task that failed, or of a procedure that did not come to have a task.

    Beside tasks its own code says little: it is not 0, too, when a template was left out.
    """
    if event.err_code and not event.process_task_list:
        return [(event.err_code, event.message or "no message")]
    failed = (task for task in event.process_task_list if task.failed)
    return [(task.err_code or 0, f"{task.task_type}: {task.message or 'no message'}") for task in failed]
